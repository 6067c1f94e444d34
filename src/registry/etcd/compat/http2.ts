/**
 * Repairs node:http2 and node:tls of Deno for grpc-js. Load it before etcd3: grpc-js reads `connect` from these modules
 * when it calls it, so it calls the repaired functions.
 */
import http2 from "node:http2";
import net from "node:net";
import process from "node:process";
import type { Duplex } from "node:stream";
// The global timers of Deno 2.4.2 have no `unref`.
import { clearTimeout, setTimeout } from "node:timers";
import tls from "node:tls";
import { expectRejections } from "../../../system/last_guard.ts";
import { honorsTlsOptions } from "../../../system/runtime.ts";
import { endWithHeaders, forget, hidden, isOfDeno2_4, onceOver } from "./deno_2_4_streams.ts";
import { takeTraffic } from "./traffic.ts";
import { refuseCompressed, uncompressed } from "./uncompressed.ts";

const connect = http2.connect as (authority: string, options?: Options) => http2.ClientHttp2Session;

type Options = http2.SecureClientSessionOptions;

/** The error for a certificate that names no hosts. */
export const noAltNames = "the certificate has no subjectAltName";

http2.connect = ((authority: string, options?: Options): http2.ClientHttp2Session => {
  const session = connect(withoutAddress(authority, options), withoutDelay(verified(options)));
  if (!honorsTlsOptions && options?.servername !== undefined) {
    reportHandshake(session, authority, options.servername);
  }
  const state: SessionState = {
    streams: new Set(),
    socket: socketOf(session),
    hasRequested: false,
    isClosing: false,
    unusedTimer: undefined,
  };
  patchEmit(session, state);
  patchRequest(session, state);
  patchClose(session, state);
  return session;
}) as typeof http2.connect;

/** What the patches of one session share. */
interface SessionState {
  /** The open streams. */
  readonly streams: Set<http2.ClientHttp2Stream>;
  readonly socket: net.Socket | undefined;
  hasRequested: boolean;
  isClosing: boolean;
  /** Ends the session if nothing is requested. */
  unusedTimer: ReturnType<typeof setTimeout> | undefined;
}

function patchEmit(session: http2.ClientHttp2Session, state: SessionState): void {
  const emit = session.emit as (event: string | symbol, ...rest: unknown[]) => boolean;
  let hasFailed = false;
  session.emit = (event: string | symbol, ...rest: unknown[]): boolean => {
    switch (event) {
      case "goaway":
        // etcd sends one whenever it shuts down. grpc-js closes the session inside the callback, which ends the process
        // with SIGSEGV in Deno 2.9.6. So the event is emitted a moment later.
        setImmediate(() => emit.call(session, event, ...rest));
        return true;
      case "connect":
        if (!endWithConnection(session)) return true;
        if (!state.hasRequested) state.unusedTimer = endUnused(session);
        // If the server closes the connection right after the handshake, the socket may be gone before this event.
        // grpc-js relies on the socket here; after "close" instead, it connects again.
        return emit.call(session, session.socket === undefined ? "close" : event, ...rest);
      case "error":
        // Deno and `reportHandshake` may both emit it, and the second one would find no listener.
        if (hasFailed) return true;
        hasFailed = true;
        return emit.call(session, event, ...rest);
      default:
        return emit.call(session, event, ...rest);
    }
  };
}

function patchRequest(session: http2.ClientHttp2Session, state: SessionState): void {
  const request = session.request;
  session.request = (headers, ...rest): http2.ClientHttp2Stream => {
    state.hasRequested = true;
    clearTimeout(state.unusedTimer);
    const observe = takeTraffic(headers);
    const stream = request.call(session, uncompressed(headers), ...rest);
    observe?.(stream);
    refuseCompressed(stream);
    endOnce(stream);
    state.streams.add(stream);
    if (isOfDeno2_4(session)) endWithHeaders(stream);
    onceOver(stream, () => {
      state.streams.delete(stream);
      forget(session, stream);
      endWhenIdle(session, state);
    });
    return stream;
  };
}

/**
 * Deno itself closes a session after GOAWAY as well. Deno 2.4.2 does not end a closed session after its last stream, so
 * that a process with nothing else to do would wait 10 s.
 */
function patchClose(session: http2.ClientHttp2Session, state: SessionState): void {
  const close = session.close;
  session.close = (callback?: () => void): void => {
    setImmediate(() => {
      close.call(session, callback);
      state.isClosing = true;
      endWhenIdle(session, state);
    });
  };
}

function endWhenIdle(session: http2.ClientHttp2Session, { streams, socket, isClosing }: SessionState): void {
  if (!isClosing || streams.size > 0) return;
  setImmediate(() => {
    session.destroy();
    // Deno then waits until the peer ends the connection too, which a peer that is cut off never does.
    setTimeout(() => socket?.destroy(), closeTimeout).unref();
  });
}

/** Milliseconds that the peer may take to end a connection after empusa has ended it. */
const closeTimeout = 1000;

/** The real socket of a session: its `socket` property is a proxy that cannot be destroyed. */
function socketOf(session: http2.ClientHttp2Session): net.Socket | undefined {
  const socket = hidden(session, "socket");
  return socket instanceof net.Socket ? socket : undefined;
}

/**
 * Ends a session with its connection. Deno 2.4.2 reports the end of the connection in an internal promise only, so that
 * the socket stays and its streams wait forever. Other versions have no such promise, and emit "close".
 * @returns false if the session was closed while it was connecting, which Deno 2.4.2 ignores too
 */
function endWithConnection(session: http2.ClientHttp2Session): boolean {
  if (!isOfDeno2_4(session)) return true;
  if (session.closed) {
    // In that version, this closes the connection and does nothing else.
    session.goaway();
    return false;
  }
  const end = (): void => {
    if (session.destroyed) return;
    // grpc-js must learn first that its calls have lost their connection.
    session.emit("close");
    session.destroy();
  };
  Promise.resolve(hidden(session, "kPollConnPromise")).then(end, end);
  return true;
}

/**
 * Deno 2.4.2 builds an invalid URL from an IPv6 address, without its brackets. If grpc-js makes the connection, it also
 * sets the authority of each request, so any other name works here.
 */
function withoutAddress(authority: string, options: Options | undefined): string {
  return options?.createConnection === undefined ? authority : authority.replace(/\[.*\]/, "localhost");
}

/** Milliseconds that a new connection may have no stream. Usually a call waits for the connection. */
const unusedTimeout = 2000;

/**
 * Ends a session without requests. If a channel is closed while grpc-js (1.12.6) pauses between two attempts to connect,
 * grpc-js connects all the same and leaks the connection. A channel that is still open connects again on demand.
 */
function endUnused(session: http2.ClientHttp2Session): ReturnType<typeof setTimeout> {
  const timer = setTimeout(() => {
    if (session.destroyed) return;
    session.emit("close");
    session.destroy();
  }, unusedTimeout);
  return timer.unref();
}

/**
 * grpc-js ends each stream twice. For the second time, Deno creates an error that nothing reads, and its stack trace takes
 * a fifth of the whole call.
 */
function endOnce(stream: http2.ClientHttp2Stream): void {
  const end = stream.end as (...args: unknown[]) => http2.ClientHttp2Stream;
  stream.end =
    ((...args: unknown[]): http2.ClientHttp2Stream =>
      args.length === 0 && stream.writableEnded ? stream : end.apply(stream, args)) as typeof stream.end;
}

/** Sets TCP_NODELAY, which Deno 2.4.2 does not: without it, each small message waits 40 ms. */
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

/** Verifies the server by these rules, whatever the environment or the runtime says. */
function verified(options: Options | undefined): Options | undefined {
  const name = options?.servername;
  return name === undefined ? options : { ...options, ...identityRules(name) };
}

/** TLS options that accept only a certificate for this name or IP address. */
function identityRules(name: string): Options {
  return {
    // Overrides NODE_TLS_REJECT_UNAUTHORIZED=0.
    rejectUnauthorized: true,
    // An IP address is no server name (RFC 6066, section 3), and Deno rejects the one that grpc-js sets. The property is
    // present and undefined, as grpc-js's own option would apply if it were missing.
    servername: net.isIP(name) ? undefined : name,
    checkServerIdentity: (_: string, certificate: tls.PeerCertificate): Error | undefined =>
      certificate.subjectaltname
        ? tls.checkServerIdentity(name, certificate)
        // The common name alone no longer counts (RFC 9525, section 2).
        : new Error(noAltNames),
  } as unknown as Options;
}

/**
 * Reports a failed TLS handshake to a session, by a connection of its own: Deno 2.4.2 reports it only once something is
 * requested over the session, which grpc-js never does before the session is connected.
 */
function reportHandshake(session: http2.ClientHttp2Session, authority: string, name: string): void {
  const { hostname, port } = new URL(authority);
  const host = hostname.replace(/^\[|\]$/g, "");
  const servername = net.isIP(name) ? undefined : name;
  const socket = tls.connect(
    { host, port: Number(port), servername, ALPNProtocols: ["h2"] } as unknown as tls.ConnectionOptions,
  );
  // The socket reports success before it knows, so only the session tells that the handshake succeeded.
  for (const event of ["connect", "close"]) session.once(event, () => socket.destroy());
  socket.on("error", (error) => {
    session.emit("error", error);
    session.destroy();
  });
}

// Deno 2.4.2 would warn on standard error about its own code when it looks up a name.
process.noDeprecation = true;

// grpc-js reads environment variables, and reading one that is not UTF-8 throws. In this copy, such a variable is not set.
process.env = Deno.env.toObject();

// If a connection breaks while a stream is open, Deno 2.4.2 rejects promises that no caller can handle, which would end
// the process. The stream, or its deadline, reports the failure as well.
expectRejections((reason) => {
  const [innermost = ""] = /^\s+at .*$/m.exec(reason instanceof Error ? reason.stack ?? "" : "") ?? [];
  return innermost.includes("node:http2:");
});
