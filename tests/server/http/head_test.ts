import { assertEquals, assertThrows } from "@std/assert";
import { parseHead } from "../../../src/server/http/head.ts";
import { HttpError } from "../../../src/server/http/request.ts";

const head = (...lines: readonly string[]): string => lines.join("\r\n");

Deno.test("a head is understood: path, query, headers, length, connection", () => {
  const parsed = parseHead(head(
    "GET /api/services/b%20c/d%2Fe?type=web&type=d%26b&name=%C3%A4+x&all HTTP/1.1",
    "Host: x",
    "X-A: 1",
    "x-a:2  ",
    "Content-Length: 12",
  ));
  assertEquals(parsed.path, ["api", "services", "b c", "d/e"]);
  assertEquals(parsed.query, [["type", "web"], ["type", "d&b"], ["name", "ä x"], ["all", ""]]);
  assertEquals(parsed.headers.get("x-a"), "1, 2");
  assertEquals([parsed.length, parsed.keepAlive, parsed.takesChunks], [12, true, true]);
});

Deno.test("the connection stays as the version and its header say", () => {
  const keeps = (...lines: readonly string[]): boolean => parseHead(head(...lines)).keepAlive;
  assertEquals(keeps("GET / HTTP/1.1", "Host: x", "Connection: Close"), false);
  assertEquals(keeps("GET / HTTP/1.0"), false);
  assertEquals(keeps("GET / HTTP/1.0", "Connection: keep-alive"), true);
  assertEquals(parseHead(head("GET http://x/y?z=1 HTTP/1.1", "Host: x")).path, ["y"]);
  assertEquals(parseHead(head("GET http://x HTTP/1.1", "Host: x")).path, []);
  assertEquals(parseHead(head("POST / HTTP/1.1", "Host: x", "Transfer-Encoding: chunked")).length, undefined);
});

Deno.test("a head that two readers could understand differently is refused", () => {
  const host = "Host: x";
  const cases: readonly (readonly [status: number, lines: readonly string[]])[] = [
    [400, ["GET / HTTP/1.1"]],
    [400, ["GET / HTTP/1.1", host, host]],
    [400, ["GET /  HTTP/1.1", host]],
    [400, ["GET / HTTP/2.0", host]],
    [400, ["get / HTTP/1.1", host]],
    [400, ["GET x HTTP/1.1", host]],
    [400, ["GET /\u00e4 HTTP/1.1", host]],
    [400, ["GET /a\0b HTTP/1.1", host]],
    [400, ["GET /a%00b HTTP/1.1", host]],
    [400, ["GET /a%ff HTTP/1.1", host]],
    [400, ["GET /a%2 HTTP/1.1", host]],
    [400, ["GET /a/../b HTTP/1.1", host]],
    [400, ["GET /a/%2e%2E/b HTTP/1.1", host]],
    [400, ["GET /./b HTTP/1.1", host]],
    [400, ["GET /?a=%ff HTTP/1.1", host]],
    [400, ["GET / HTTP/1.1", host, "A : b"]],
    [400, ["GET / HTTP/1.1", host, " folded"]],
    [400, ["GET / HTTP/1.1", host, "A: b\nC: d"]],
    [400, ["GET / HTTP/1.1", host, "A: b\0"]],
    [400, ["POST / HTTP/1.1", host, "Content-Length: +1"]],
    [400, ["POST / HTTP/1.1", host, "Content-Length: 1", "Content-Length: 1"]],
    [400, ["POST / HTTP/1.1", host, "Content-Length: 1", "Transfer-Encoding: chunked"]],
    [501, ["POST / HTTP/1.1", host, "Transfer-Encoding: gzip, chunked"]],
    [431, ["GET / HTTP/1.1", host, ...Array.from({ length: 100 }, (_, i) => `A${i}: b`)]],
    [400, [`GET /?${"a&".repeat(101)} HTTP/1.1`, host]],
  ];
  for (const [status, lines] of cases) {
    const error = assertThrows(() => parseHead(head(...lines)), HttpError);
    assertEquals([lines, error.status], [lines, status]);
  }
});
