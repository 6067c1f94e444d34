import { assertEquals, assertThrows } from "@std/assert";
import { InvalidValueError } from "../../src/errors.ts";
import { parseEndpoints, type Protocol, showEndpoint } from "../../src/registry/endpoint.ts";

const shown = (text: string, protocol: Protocol = "http"): string[] =>
  parseEndpoints(text, protocol).map(showEndpoint);

Deno.test("endpoints are separated by commas or blanks", () => {
  const three = ["http://a:1", "http://b:2", "http://c:3"];
  for (const text of ["a:1,b:2,c:3", "a:1 b:2 c:3", " a:1,, b:2\n\tc:3, "]) assertEquals(shown(text), three);
});

Deno.test("a scheme of its own goes before the protocol", () => {
  assertEquals(shown("a:1,https://b:2/,HTTP://c:3", "https"), ["https://a:1", "https://b:2", "http://c:3"]);
});

Deno.test("hosts are names and addresses of both kinds", () => {
  const text = "localhost:2379,127.0.0.1:1,[::1]:65535,etcd-1.example.com:2379";
  assertEquals(shown(text), text.split(",").map((address) => `http://${address}`));
});

Deno.test("an endpoint that is named twice counts once", () => {
  assertEquals(shown("a:1,http://a:1/,a:01"), ["http://a:1"]);
});

Deno.test("an endpoint that is malformed is refused", () => {
  const wrong = [
    "",
    " , ",
    "localhost",
    "localhost:",
    ":2379",
    "a:0",
    "a:65536",
    "a:b",
    "::1:2379",
    "[::1]",
    "[zz]:1",
  ];
  for (
    const text of [...wrong, "ftp://a:1", "http://a:1/path", "http://a:1?q", "a:1,b", "a b:1"]
  ) {
    assertThrows(() => parseEndpoints(text, "http"), InvalidValueError, "be HOST:PORT");
  }
  assertThrows(
    () => parseEndpoints("http://u@a:1", "http"),
    InvalidValueError,
    "hold no user name or password",
  );
});
