/** One GET for the v2 API of etcd, of which no more is read than fits, and for no longer than is waited. */
import "./compat/http2.ts";
import { Buffer } from "node:buffer";
import http2 from "node:http2";
import net from "node:net";
import { EmpusaError } from "../../errors.ts";
import type { Access } from "./credentials.ts";
import { type Endpoint, hostAndPort, showEndpoint } from "../endpoint.ts";
import { noAnswer } from "./failover.ts";
import type { Deadline } from "../store.ts";

/** The longest answer that is taken, in bytes: some hundred thousand entries. */
const longestAnswer = 64 * 2 ** 20;

export interface Answer {
  readonly status: number;
  readonly text: string;
}

/** What comes of a request. Whatever is told after the first end or failure is too late. */
interface Listener {
  status(status: number): void;
  data(part: Uint8Array): void;
  /** All has come. */
  end(): void;
  fail(error: Error): void;
}

/** A request that is under way. */
interface Request {
  /** Gives it up, with its connection. */
  close(): void;
}

/**
 * Asks for a path. A redirection is an answer like any other.
 * @param over ends it: the answer is wanted no longer
 * @throws {AttemptFailure} where the deadline is over
 * @throws {EmpusaError} where the answer is too long
 * @throws {Error} in the words of node's sockets
 */
export function get(
  endpoint: Endpoint,
  access: Access,
  path: string,
  { at }: Deadline,
  over: AbortSignal,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const parts: Uint8Array[] = [];
    let length = 0;
    let status = 0;
    const settle = (how: () => void): void => {
      clearTimeout(timer);
      over.removeEventListener("abort", giveUp);
      request.close();
      how();
    };
    const fail = (error: Error): void => settle(() => reject(error));
    const giveUp = (): void => fail(noAnswer());
    const timer = setTimeout(giveUp, Math.max(at - performance.now(), 0));
    over.addEventListener("abort", giveUp);
    const begin = endpoint.protocol === "https" ? overTls : inPlain;
    const request = begin(endpoint, access, path, {
      status: (code) => status = code,
      data(part): void {
        length += part.length;
        if (length > longestAnswer) fail(new EmpusaError(tooLong(endpoint)));
        else parts.push(part);
      },
      end: () => settle(() => resolve({ status, text: Buffer.concat(parts).toString("utf8") })),
      fail,
    });
  });
}

function tooLong(endpoint: Endpoint): string {
  return `etcd at ${showEndpoint(endpoint)} answers with more than ${
    longestAnswer / 2 ** 20
  } MiB, which is too much ` +
    "to read at once";
}

function headersOf({ login }: Access): Record<string, string> {
  const basic = login && Buffer.from(`${login.username}:${login.password}`).toString("base64");
  return { accept: "application/json", ...basic === undefined ? {} : { authorization: `Basic ${basic}` } };
}

/** How long the head of an answer may be, in bytes. */
const longestHead = 65_536;

/**
 * By HTTP/1.0, which ends an answer with its connection, over a socket: in Deno 2.4.2 an answer that breaks off under
 * node:http rejects a promise that nobody can reach.
 */
function inPlain(endpoint: Endpoint, access: Access, path: string, listener: Listener): Request {
  const headers = Object.entries({ ...headersOf(access), host: endpoint.address });
  const lines = [`GET ${path} HTTP/1.0`, ...headers.map(([name, value]) => `${name}: ${value}`), "\r\n"];
  const socket = net.connect(hostAndPort(endpoint));
  let head: Buffer | undefined = Buffer.of();
  /** Of the body; unknown where the answer does not tell it. */
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

/** By HTTP/2, as all else that goes to etcd: node:https would need a permission that empusa does not have. */
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
  // Where the connection breaks, "end" may be told as well, but behind "aborted".
  stream.on("aborted", () => listener.fail(new Error("ECONNRESET")));
  stream.on("end", listener.end);
  stream.end();
  return { close: () => session.destroy() };
}
