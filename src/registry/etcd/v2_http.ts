/** One GET request to the v2 API of etcd, bounded in size and time. */
import "./compat/http2.ts";
import { Buffer } from "node:buffer";
import http2 from "node:http2";
import net from "node:net";
import { EmpusaError } from "../../errors.ts";
import { type Endpoint, hostAndPort, showEndpoint } from "../endpoint.ts";
import type { Deadline } from "../store.ts";
import { noAnswer, withDeadline } from "./attempt.ts";
import type { Access } from "./credentials.ts";

/** The longest answer that empusa accepts, in bytes: some hundred thousand entries. */
const longestAnswer = 64 * 2 ** 20;

export interface Answer {
  readonly status: number;
  readonly text: string;
}

/** The events of a request. Events after the first end or failure are ignored. */
interface Listener {
  status(status: number): void;
  data(part: Uint8Array): void;
  /** The answer is complete. */
  end(): void;
  fail(error: Error): void;
}

/** A running request. */
interface Request {
  /** Closes its connection. */
  close(): void;
}

/**
 * Requests a path. A redirection is an answer like any other.
 * @param signal ends the request
 * @throws {AttemptFailure} if the deadline passes, or the signal is aborted
 * @throws {EmpusaError} if the answer is too long
 * @throws {Error} with the message of a socket of node
 */
export async function get(
  endpoint: Endpoint,
  access: Access,
  path: string,
  { at }: Deadline,
  signal: AbortSignal,
): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const parts: Uint8Array[] = [];
  let length = 0;
  let status = 0;
  const begin = endpoint.protocol === "https" ? overTls : inPlain;
  const request = begin(endpoint, access, path, {
    status: (code) => status = code,
    data(part): void {
      length += part.length;
      if (length > longestAnswer) reject(new EmpusaError(tooLong(endpoint)));
      else parts.push(part);
    },
    end: () => resolve({ status, text: Buffer.concat(parts).toString("utf8") }),
    fail: reject,
  });
  try {
    return await withDeadline(promise, at, signal);
  } catch (error) {
    throw error === signal.reason ? noAnswer() : error;
  } finally {
    request.close();
  }
}

function tooLong(endpoint: Endpoint): string {
  return `etcd at ${showEndpoint(endpoint)} answers with more than ${
    longestAnswer / 2 ** 20
  } MiB, the most that empusa reads`;
}

function headersOf({ login }: Access): Record<string, string> {
  const basic = login && Buffer.from(`${login.username}:${login.password}`).toString("base64");
  return { accept: "application/json", ...basic === undefined ? {} : { authorization: `Basic ${basic}` } };
}

/** The longest head of an answer, in bytes. */
const longestHead = 65_536;

/**
 * Sends the request by HTTP/1.0 over a plain socket: if an answer breaks off, node:http of Deno 2.4.2 rejects a promise
 * that no caller can handle.
 */
function inPlain(endpoint: Endpoint, access: Access, path: string, listener: Listener): Request {
  const headers = Object.entries({ ...headersOf(access), host: endpoint.address });
  const lines = [`GET ${path} HTTP/1.0`, ...headers.map(([name, value]) => `${name}: ${value}`), "\r\n"];
  const socket = net.connect(hostAndPort(endpoint));
  let head: Buffer | undefined = Buffer.of();
  /** Bytes of the body that are missing; NaN if the answer does not tell its length. */
  let missing = NaN;
  const body = (part: Buffer): void => {
    missing -= part.length;
    listener.data(part);
    if (missing <= 0) listener.end();
  };
  socket.on("connect", () => socket.write(lines.join("\r\n")));
  socket.on("data", (part: Buffer) => {
    if (head === undefined) return body(part);
    head = Buffer.concat([head, part]);
    const end = head.indexOf("\r\n\r\n");
    if (end < 0 && head.length > longestHead) return listener.fail(new Error("HTTP status is missing"));
    if (end < 0) return;
    const text = head.toString("latin1", 0, end);
    listener.status(Number(/^HTTP\/1\.\d (\d{3})/.exec(text)?.[1] ?? 0));
    missing = Number(/\r\ncontent-length: *(\d+)/i.exec(text)?.[1] ?? NaN);
    const rest = head.subarray(end + 4);
    head = undefined;
    body(rest);
  });
  socket.on("end", () => {
    if (head !== undefined || missing > 0) listener.fail(new Error("ECONNRESET"));
    else listener.end();
  });
  socket.on("error", listener.fail);
  socket.on("close", () => listener.fail(new Error("ECONNRESET")));
  return { close: () => void socket.destroy() };
}

/** Sends the request by HTTP/2: node:https would need a permission that empusa does not have. */
function overTls(endpoint: Endpoint, access: Access, path: string, listener: Listener): Request {
  const { tls } = access;
  const options = {
    servername: tls?.serverName ?? hostAndPort(endpoint).host,
    ALPNProtocols: ["h2"],
    ...tls?.ca === undefined ? {} : { ca: tls.ca },
    ...tls?.client === undefined ? {} : { cert: tls.client.certificate, key: tls.client.key },
  };
  const session = http2.connect(showEndpoint(endpoint), options);
  session.on("error", listener.fail);
  const stream = session.request({ ...headersOf(access), ":method": "GET", ":path": path });
  stream.on("response", (headers) => listener.status(Number(headers[":status"])));
  stream.on("data", listener.data);
  stream.on("error", listener.fail);
  // If the connection breaks, "end" may follow "aborted".
  stream.on("aborted", () => listener.fail(new Error("ECONNRESET")));
  stream.on("end", listener.end);
  stream.end();
  return { close: () => session.destroy() };
}
