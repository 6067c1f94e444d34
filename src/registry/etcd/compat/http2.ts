/**
 * Must be loaded before etcd3: grpc-js takes `connect` from these modules when it calls it, so what is mended
 * here is mended for it too.
 */
import http2 from "node:http2";
import net from "node:net";
import process from "node:process";
import type { Duplex } from "node:stream";
// Those of Deno 2.4.2 cannot be told to keep no process alive.
import { clearTimeout, setTimeout } from "node:timers";
import tls from "node:tls";
import { expectRejections } from "../../../system/last_guard.ts";
import { honorsTlsOptions } from "../../../system/runtime.ts";
import { takeTraffic } from "./traffic.ts";
import { refuseCompressed, uncompressed } from "./uncompressed.ts";

const connect = http2.connect as (authority: string, options?: Options) => http2.ClientHttp2Session;

type Options = http2.SecureClientSessionOptions;

/** What we say of a certificate that does not tell which hosts it is for. */
export const noAltNames = "the certificate has no subjectAltName";

http2.connect = ((authority: string, options?: Options): http2.ClientHttp2Session => {
  const session = connect(withoutAddress(authority, options), withoutDelay(verified(options)));
  if (!honorsTlsOptions && options?.servername !== undefined) {
    tellOfHandshake(session, authority, options.servername);
  }
  const emit = session.emit as (event: string | symbol, ...rest: unknown[]) => boolean;
  let failed = false;
  let asked = false;
  let unused: ReturnType<typeof setTimeout> | undefined;
  session.emit = (event: string | symbol, ...rest: unknown[]): boolean => {
    switch (event) {
      case "goaway":
        // Any polite restart of etcd sends one. To close the session from within the callback that tells of it,
        // as grpc-js does, ends the process with SIGSEGV in Deno 2.9.6. So it is told a moment later.
        setImmediate(() => emit.call(session, event, ...rest));
        return true;
      case "connect":
        if (!endWithConnection(session)) return true;
        if (!asked) unused = endUnused(session);
        // A server that refuses us right after the handshake may be gone before we are told that it is there.
        // grpc-js takes the socket for granted then; told of the end instead, it tries again.
        return emit.call(session, session.socket === undefined ? "close" : event, ...rest);
      case "error":
        // Told twice, by Deno and by a handshake of ours, the second one would find nobody who listens.
        if (failed) return true;
        failed = true;
        return emit.call(session, event, ...rest);
      default:
        return emit.call(session, event, ...rest);
    }
  };
  const streams = new Set<http2.ClientHttp2Stream>();
  let closing = false;
  const socket = socketOf(session);
  const endWhenIdle = (): void => {
    if (!closing || streams.size > 0) return;
    setImmediate(() => {
      session.destroy();
      // Once it was closed, Deno waits for the other side to end the connection too, which one that is cut off never does.
      setTimeout(() => socket?.destroy(), longestGoodbye).unref();
    });
  };
  const request = session.request;
  session.request = (headers, ...rest): http2.ClientHttp2Stream => {
    asked = true;
    clearTimeout(unused);
    const tellOf = takeTraffic(headers);
    const stream = request.call(session, uncompressed(headers), ...rest);
    tellOf?.(stream);
    refuseCompressed(stream);
    endOnce(stream);
    streams.add(stream);
    // Whichever comes: Deno 2.4.2 tells of no "close".
    for (const event of ["end", "aborted", "close"]) {
      stream.once(event, () => {
        streams.delete(stream);
        forget(session, stream);
        endWhenIdle();
      });
    }
    return stream;
  };
  // Deno closes it when it goes away too, by itself. And once it is closed, Deno 2.4.2 does not end it when its last
  // stream has ended, for which a process that has nothing else to do would wait 10 s.
  const close = session.close;
  session.close = (callback?: () => void): void => {
    setImmediate(() => {
      close.call(session, callback);
      closing = true;
      endWhenIdle();
    });
  };
  return session;
}) as typeof http2.connect;

/** How long the other side may take to end a connection that we have ended, in milliseconds. */
const longestGoodbye = 1000;

/** The socket itself: what a session shows as its socket cannot be destroyed. */
function socketOf(session: http2.ClientHttp2Session): net.Socket | undefined {
  const socket = hidden(session, "socket");
  return socket instanceof net.Socket ? socket : undefined;
}

/** Deno 2.4.2 keeps each stream as long as its connection, which is about 13 KB for each call. */
function forget(session: http2.ClientHttp2Session, stream: http2.ClientHttp2Stream): void {
  if (stream.id === undefined || !keepsItsEnd(session)) return;
  const state = hidden(session, "state") as { readonly streams?: Map<number, unknown> } | undefined;
  state?.streams?.delete(stream.id);
}

/** Whether it is a session of Deno 2.4.2: it has a promise of its end that nobody else is told of. */
function keepsItsEnd(session: http2.ClientHttp2Session): boolean {
  return hidden(session, "kPollConnPromise") !== undefined;
}

/** What a session keeps under a symbol of its own. */
function hidden(session: http2.ClientHttp2Session, description: string): unknown {
  const symbol = Object.getOwnPropertySymbols(session).find((symbol) => symbol.description === description);
  return symbol === undefined ? undefined : (session as unknown as Record<symbol, unknown>)[symbol];
}

/**
 * Deno 2.4.2 keeps the end of a connection to itself: in a promise that nobody else is told of, so that the socket stays
 * and its streams wait for ever. Other versions have no such promise, and emit "close".
 * @returns false if the session was closed while it was being connected, which that version does not heed either
 */
function endWithConnection(session: http2.ClientHttp2Session): boolean {
  if (!keepsItsEnd(session)) return true;
  if (session.closed) {
    // All that it does there is to close the connection.
    session.goaway();
    return false;
  }
  const end = (): void => {
    if (session.destroyed) return;
    // grpc-js has to know first that its calls have lost their connection.
    session.emit("close");
    session.destroy();
  };
  Promise.resolve(hidden(session, "kPollConnPromise")).then(end, end);
  return true;
}

/**
 * Deno 2.4.2 makes a URL of an IPv6 address without its brackets, which is none. Where the connection is made by
 * grpc-js, which also says what each request is for, any other name will do.
 */
function withoutAddress(authority: string, options: Options | undefined): string {
  return options?.createConnection === undefined ? authority : authority.replace(/\[.*\]/, "localhost");
}

/** How long a new connection may be without a stream, in milliseconds: as a rule one waits for it. */
const longestUnused = 2000;

/**
 * Ends a session over which nothing is asked. If a channel is closed while grpc-js pauses between two attempts to connect,
 * it makes the next one all the same (1.12.6), and keeps a connection that nobody knows of. A channel that is still open
 * connects again when it needs to.
 */
function endUnused(session: http2.ClientHttp2Session): ReturnType<typeof setTimeout> {
  const timer = setTimeout(() => {
    if (session.destroyed) return;
    session.emit("close");
    session.destroy();
  }, longestUnused);
  return timer.unref();
}

/**
 * grpc-js ends each stream twice. Deno makes an error of the second time, which nobody sees: to record where that was takes
 * a fifth of the whole call.
 */
function endOnce(stream: http2.ClientHttp2Stream): void {
  const end = stream.end as (...args: unknown[]) => http2.ClientHttp2Stream;
  stream.end =
    ((...args: unknown[]): http2.ClientHttp2Stream =>
      args.length === 0 && stream.writableEnded ? stream : end.apply(stream, args)) as typeof stream.end;
}

/** Small messages are sent at once. Deno 2.4.2 does not do that by itself, and each would wait 40 ms for more. */
function withoutDelay(options: Options | undefined): Options | undefined {
  const create = options?.createConnection;
  if (create === undefined) return options;
  return {
    ...options,
    createConnection: (...args): Duplex => {
      const socket = create(...args);
      if (socket instanceof net.Socket) socket.once("connect", () => socket.setNoDelay(true));
      return socket;
    },
  };
}

/** Whether a server is who it should be is checked by these rules, whatever the environment or the runtime says. */
function verified(options: Options | undefined): Options | undefined {
  const name = options?.servername;
  return name === undefined ? options : { ...options, ...identityRules(name) };
}

/** Options of a TLS connection that accept a server with a certificate for that name or IP address, and no other. */
function identityRules(name: string): Options {
  return {
    // NODE_TLS_REJECT_UNAUTHORIZED=0 would decide otherwise.
    rejectUnauthorized: true,
    // An IP address is no server name (RFC 6066, section 3), and Deno refuses one where grpc-js gives it. Present
    // and undefined: where it is missing, grpc-js's own options show through.
    servername: net.isIP(name) ? undefined : name,
    checkServerIdentity: (_: string, certificate: tls.PeerCertificate): Error | undefined =>
      certificate.subjectaltname
        ? tls.checkServerIdentity(name, certificate)
        // The common name alone has not counted for long (RFC 9525, section 2).
        : new Error(noAltNames),
  } as unknown as Options;
}

/**
 * Tells a session of a TLS handshake that fails, with a connection of its own: Deno 2.4.2 tells nobody until something
 * is asked over the session, which grpc-js never does before it is connected.
 */
function tellOfHandshake(session: http2.ClientHttp2Session, authority: string, name: string): void {
  const { hostname, port } = new URL(authority);
  const host = hostname.replace(/^\[|\]$/g, "");
  const servername = net.isIP(name) ? undefined : name;
  const socket = tls.connect(
    { host, port: Number(port), servername, ALPNProtocols: ["h2"] } as unknown as tls.ConnectionOptions,
  );
  // It says that it is secure before it knows, so the session has to tell how it went.
  for (const event of ["connect", "close"]) session.once(event, () => socket.destroy());
  socket.on("error", (error) => {
    session.emit("error", error);
    session.destroy();
  });
}

// Deno 2.4.2 would warn on standard error of what it uses itself when a name is looked up.
process.noDeprecation = true;

// grpc-js reads variables of its own, and reading one whose value is no UTF-8 would throw. Here it is as if it were not set.
process.env = Deno.env.toObject();

// When a connection breaks while a stream is open, Deno 2.4.2 rejects promises that nobody can reach, which would end
// the process; the stream, or its deadline, tells of it as well.
expectRejections((reason) => {
  const [innermost = ""] = /^\s+at .*$/m.exec(reason instanceof Error ? reason.stack ?? "" : "") ?? [];
  return innermost.includes("node:http2:");
});
