/** A health check over HTTP: it sends a request, and reads the status of the response. */
import { connect, reason, writeAll } from "./tcp.ts";
import type { System } from "../system/mod.ts";
import type { Check } from "./health.ts";

/** The longest status line, with the headers of interim responses, in bytes. */
const longestHead = 65_536;

/** How much of the response is read after the status, in bytes, and for how long, in milliseconds. */
const longestRest = 65_536;
const restTime = 250;

const decoder = new TextDecoder();

/**
 * Returns a check that passes if the status is 2xx. It follows no redirect, uses no proxy, and makes a new connection each
 * time. It speaks HTTP itself: in Deno 2.4.2, a body that breaks off under `fetch` or node:http rejects a promise that no
 * code can reach, which ends the process; and a body that does not end keeps its connection.
 * @param system hangs up on a TLS connection that does not answer
 * @param ca returns the CA certificates, in PEM, to trust besides those of the runtime
 */
export function httpCheck(
  url: URL,
  system: Pick<System, "hangUp">,
  ca: () => Promise<string | undefined> = () => Promise.resolve(undefined),
): Check {
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const secure = url.protocol === "https:";
  const port = Number(url.port || (secure ? 443 : 80));
  return {
    name: `http ${shown(url)}`,
    run: async (signal): Promise<void> => {
      let connection: Deno.Conn | undefined;
      let plain: Deno.TcpConn | undefined;
      let answered = false;
      const close = (): void => {
        try {
          if (secure && !answered && plain !== undefined) system.hangUp(plain);
          connection?.close();
        } catch {
          // A failed handshake has closed it.
        }
        connection = undefined;
      };
      signal.addEventListener("abort", close);
      try {
        connection = plain = await connect(host, port, signal);
        signal.throwIfAborted();
        if (secure) {
          const trusted = await ca();
          signal.throwIfAborted();
          connection = await shakeHands(plain, host, trusted, (tls) => {
            connection = tls;
            signal.throwIfAborted();
          });
        }
        const status = await ask(connection, url);
        answered = true;
        void readRest(connection).finally(close);
        if (status < 200 || status > 299) throw new Error(`responded with status ${status}`);
      } catch (error) {
        close();
        throw error;
      } finally {
        signal.removeEventListener("abort", close);
      }
    },
  };
}

/** Returns the URL without the parts that may be secret. */
function shown(url: URL): string {
  const copy = new URL(url);
  copy.username =
    copy.password =
    copy.search =
    copy.hash =
      "";
  return url.search === "" ? `${copy}` : `${copy}?…`;
}

/** @param onBegin receives the connection before the handshake, so that it can be closed meanwhile */
async function shakeHands(
  plain: Deno.TcpConn,
  host: string,
  ca: string | undefined,
  onBegin: (connection: Deno.TlsConn) => void,
): Promise<Deno.TlsConn> {
  try {
    const connection = await Deno.startTls(plain, { hostname: host, caCerts: ca === undefined ? [] : [ca] });
    onBegin(connection);
    await connection.handshake();
    return connection;
  } catch (error) {
    throw new Error(handshakeFailure(error, host), { cause: error });
  }
}

/** The TLS errors of both runtimes, and what to say about them. */
const handshakeFailures: readonly (readonly [RegExp, (host: string) => string])[] = [
  [/certificate expired|: Expired$/i, () => "its certificate has expired"],
  [
    /certificate not valid yet|: NotValidYet$/i,
    () => "its certificate is not valid yet; check the clock of this machine",
  ],
  [/not valid for name|NotValidForName/, (host) => `its certificate is not for ${host}`],
  [
    // The second is the error for a CA of the same name.
    /UnknownIssuer|BadSignature/,
    () =>
      "its certificate is not signed by a trusted CA; name the CA with --check-ca-bundle (EMPUSA_CHECK_CA_BUNDLE)",
  ],
  [
    /CaUsedAsEndEntity/,
    () => "its certificate is a CA certificate; make one with basicConstraints=CA:FALSE",
  ],
  [/UnsupportedCertVersion/, () => "its certificate is not X.509 version 3"],
  [/alert: CertificateRequired/, () => "it asks for a client certificate, which checks do not have"],
  [/alert: ProtocolVersion/, () => "it supports neither TLS 1.2 nor TLS 1.3"],
  [/corrupt message|InvalidContentType|InvalidMessage/, () => "it does not speak TLS"],
  [
    /handshake eof|UnexpectedEof|unexpected end of file/i,
    () => "it closed the connection during the TLS handshake",
  ],
];

function handshakeFailure(error: unknown, host: string): string {
  const said = reason(error);
  return handshakeFailures.find(([pattern]) => pattern.test(said))?.[1](host) ?? `TLS: ${said}`;
}

/**
 * Sends the request and returns the status of the response.
 * @throws {Error} if no status arrives
 */
async function ask(connection: Deno.Conn, url: URL): Promise<number> {
  try {
    await writeAll(connection, requestTo(url));
    return await readStatus(connection);
  } catch (error) {
    if (error instanceof NoStatus) throw error;
    throw new Error(url.protocol === "https:" ? handshakeFailure(error, url.hostname) : reason(error), {
      cause: error,
    });
  }
}

function requestTo(url: URL): Uint8Array {
  const { username, password } = url;
  const login = [username, password].map(decoded).join(":");
  const authorization = btoa(String.fromCharCode(...new TextEncoder().encode(login)));
  return new TextEncoder().encode(
    [
      `GET ${url.pathname}${url.search} HTTP/1.1`,
      `Host: ${url.host}`,
      "User-Agent: empusa",
      "Accept: */*",
      ...(username + password === "" ? [] : [`Authorization: Basic ${authorization}`]),
      "Connection: close",
      "\r\n",
    ].join("\r\n"),
  );
}

/** Decodes a name or password of a URL. A percent sign that encodes nothing stands for itself. */
function decoded(text: string): string {
  return text.replace(/(?:%[\da-f]{2})+/gi, (encoded) => {
    try {
      return decodeURIComponent(encoded);
    } catch {
      return encoded;
    }
  });
}

/** No status arrived. The message says why. */
class NoStatus extends Error {}

/** Returns the status of the first response that is not an interim one (1xx). */
async function readStatus(connection: Deno.Conn): Promise<number> {
  const buffer = new Uint8Array(4096);
  let head = "";
  for (;;) {
    // Headers may hold bytes that are not UTF-8, which do not matter.
    const status = /^HTTP\/\d+(?:\.\d+)? (\d{3})(?:[ \r\n]|$)/.exec(head);
    const line = head.indexOf("\n");
    if (line >= 0 && status === null) throw new NoStatus("the response is not HTTP");
    if (line >= 0 && status?.[1]?.startsWith("1") !== true) return Number(status?.[1]);
    const end = line < 0 ? undefined : /\r?\n\r?\n/.exec(head);
    if (end) {
      head = head.slice(end.index + end[0].length);
      continue;
    }
    if (head.length > longestHead) throw new NoStatus("the response is not HTTP");
    const read = await connection.read(buffer);
    if (read === null) {
      throw new NoStatus(
        head === "" ? "it closed the connection without a response" : "the response ended before its status",
      );
    }
    head += decoder.decode(buffer.subarray(0, read));
  }
}

/** Lets the server finish writing: a connection that is closed before that may be an error in its log. */
async function readRest(connection: Deno.Conn): Promise<void> {
  const buffer = new Uint8Array(4096);
  let late: ReturnType<typeof setTimeout> | undefined;
  const over = new Promise<null>((resolve) => late = setTimeout(() => resolve(null), restTime));
  try {
    for (let left = longestRest; left > 0;) {
      const read = await Promise.race([connection.read(buffer), over]);
      if (read === null) return;
      left -= read;
    }
  } catch {
    // The status has arrived: how the response ends does not matter.
  } finally {
    clearTimeout(late);
  }
}
