/**
 * Reads the head of an HTTP/1.1 request (RFC 9112). It is strict: where two readers could understand a request
 * differently, it is refused.
 */
import { HttpError, type Request } from "./request.ts";

/** The most bytes of a head, and the most headers in it. */
export const maxHeadBytes = 16_384;
const maxHeaders = 100;

/** The most parameters of a request. */
const maxParameters = 100;

/** A head, and how the connection goes on behind it. */
export interface Head extends Pick<Request, "method" | "path" | "query" | "headers"> {
  /** Bytes of the body; undefined if it comes in chunks. */
  readonly length: number | undefined;
  /** Whether the sender waits for a word before it sends the body. */
  readonly expectsContinue: boolean;
  /** Whether the connection is to be used again. */
  readonly keepAlive: boolean;
  /** Whether the answer may come in chunks. */
  readonly takesChunks: boolean;
}

const requestLine = /^([A-Z]{1,20}) ([!-~]{1,8192}) HTTP\/1\.([01])$/;
const headerLine = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*)$/;
// deno-lint-ignore no-control-regex -- they must not be in a header
const control = /[\u0000-\u0008\u000a-\u001f\u007f]/;

/**
 * @param text the head without the empty line that ends it
 * @throws {HttpError} if it cannot be understood
 */
export function parseHead(text: string): Head {
  const lines = text.split("\r\n");
  const [, method, target, minor] = requestLine.exec(lines[0] ?? "") ?? [];
  if (method === undefined || target === undefined) {
    throw new HttpError(400, "the request line is not HTTP/1.1");
  }
  if (lines.length - 1 > maxHeaders) {
    throw new HttpError(431, `a request may have ${maxHeaders} headers at most`);
  }
  const headers = parseHeaders(lines);
  if (minor === "1" && !headers.has("host")) throw new HttpError(400, "a request must have one Host header");
  const [path = "", query] = split(originForm(target), "?");
  const connection = (headers.get("connection") ?? "").toLowerCase().split(/[ \t]*,[ \t]*/);
  return {
    method,
    path: parsePath(path),
    query: query === undefined ? [] : parseQuery(query),
    headers,
    length: bodyLength(headers),
    expectsContinue: headers.get("expect")?.toLowerCase() === "100-continue",
    keepAlive: minor === "1" ? !connection.includes("close") : connection.includes("keep-alive"),
    takesChunks: minor === "1",
  };
}

/** Headers that must not come twice: readers differ in which of them counts. */
const single = ["host", "content-length", "transfer-encoding", "authorization"];

function parseHeaders(lines: readonly string[]): Map<string, string> {
  const headers = new Map<string, string>();
  for (let i = 1; i < lines.length; i++) {
    const [, key, rest] = headerLine.exec(lines[i] as string) ?? [];
    if (key === undefined || rest === undefined || control.test(rest)) {
      throw new HttpError(400, "a header is malformed");
    }
    const name = key.toLowerCase();
    const before = headers.get(name);
    if (before !== undefined && single.includes(name)) {
      throw new HttpError(400, `the header ${name} comes twice`);
    }
    const value = rest.trimEnd();
    headers.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  return headers;
}

function bodyLength(headers: ReadonlyMap<string, string>): number | undefined {
  const coding = headers.get("transfer-encoding");
  const length = headers.get("content-length");
  if (coding !== undefined) {
    if (length !== undefined) throw new HttpError(400, "a request must not have both lengths and chunks");
    if (coding.toLowerCase() !== "chunked") throw new HttpError(501, "the only transfer encoding is chunked");
    return undefined;
  }
  if (length === undefined) return 0;
  if (!/^\d{1,15}$/.test(length)) throw new HttpError(400, "the Content-Length is malformed");
  return Number(length);
}

/** The path and the query of a target, which a proxy may send as a URL. */
function originForm(target: string): string {
  if (target.startsWith("/")) return target;
  const [, path] = /^https?:\/\/[^/?#]+(\/.*)?$/i.exec(target) ?? [undefined, undefined];
  if (!/^https?:\/\//i.test(target)) throw new HttpError(400, "the path must begin with a slash");
  return path ?? "/";
}

function parsePath(path: string): string[] {
  if (path === "/") return [];
  const segments = path.slice(1).split("/").map((segment) => decode(segment, "path"));
  if (segments.some((segment) => segment === "." || segment === ".." || control.test(segment))) {
    throw new HttpError(400, 'the path must not hold ".", ".." or control characters');
  }
  return segments;
}

function parseQuery(query: string): [name: string, value: string][] {
  const parts = query.split("&").filter((part) => part !== "");
  if (parts.length > maxParameters) {
    throw new HttpError(400, `a request may have ${maxParameters} parameters at most`);
  }
  return parts.map((part) => {
    const [name = "", value = ""] = split(part, "=").map((text) =>
      decode(text.replaceAll("+", " "), "query")
    );
    return [name, value];
  });
}

/** Percent-decodes UTF-8. */
function decode(text: string, what: string): string {
  try {
    return text.includes("%") ? decodeURIComponent(text) : text;
  } catch {
    throw new HttpError(400, `the ${what} must be percent-encoded UTF-8`);
  }
}

/** What is before and behind the first separator. */
function split(text: string, separator: string): string[] {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}
