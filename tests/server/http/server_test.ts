/** The HTTP server by itself: what it does with connections that are slow, greedy, or no HTTP. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type Handler, type Limits } from "../../../src/server/http/connection.ts";
import { HttpServer } from "../../../src/server/http/server.ts";
import { exchange, get, test } from "../../support/serving.ts";
import { pause, until } from "../../support/pause.ts";

const limits: Limits = { requestTimeout: 600, idleTimeout: 600, writeTimeout: 600, maxBodyBytes: 100 };

/** Tells the body, and its length. */
const echo: Handler = ({ method, path, body }) => ({
  status: 200,
  headers: { "X-Method": method },
  body: `${path.join(",")} ${new TextDecoder().decode(body)}`,
});

interface Started extends AsyncDisposable {
  readonly server: HttpServer;
  readonly port: number;
  readonly errors: unknown[];
}

async function start(handler: Handler, maxConnections = 1000): Promise<Started> {
  const errors: unknown[] = [];
  const server = new HttpServer(handler, {
    maxConnections,
    limits,
    onAcceptError: (error) => errors.push(error),
  });
  const address = await server.listen({ kind: "tcp", host: "127.0.0.1", port: 0 });
  if (address.kind !== "tcp") throw new Error("it listens elsewhere");
  return { server, port: address.port, errors, [Symbol.asyncDispose]: () => server.stop() };
}

const get1 = "GET /a HTTP/1.1\r\nHost: x\r\n";
const last = `${get1}Connection: close\r\n\r\n`;
const post = "POST /p HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";

Deno.test("requests on one connection are answered in order, also if they come together or in pieces", async () => {
  await using started = await start(echo);
  const all = await exchange(
    started.port,
    `${get1}\r\nGET /b HTTP/1.1\r\nHo`,
    `st: x\r\n\r`,
    `\n\r\nHEAD /c HTTP/1.1\r\nHost: x\r\n\r\n${last}`,
  );
  const heads = all.split("HTTP/1.1 200 OK\r\n").slice(1);
  assertEquals(heads.map((text) => text.split("\r\n\r\n")[1]), ["a ", "b ", "", "a "]);
  assertMatch(heads[2] ?? "", /Content-Length: 2\r\n/);
});

Deno.test("bodies come with a length or in chunks, and within the limit", async () => {
  await using started = await start(echo);
  const send = (...parts: readonly string[]): Promise<string> => exchange(started.port, post, ...parts);
  assertMatch(await send("Content-Length: 3\r\n\r\na", "bc"), /p abc$/);
  const chunked = "Transfer-Encoding: chunked\r\n\r\n";
  assertMatch(await send(chunked, "2\r\nab\r\n1;x=y\r\nc\r\n0\r\n\r\n"), /p abc$/);
  const waited = await send("Content-Length: 1\r\nExpect: 100-continue\r\n\r\n", "a");
  assertMatch(waited, /^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200 OK/);
  for (
    const [status, ...parts] of [
      ["413", "Content-Length: 101\r\n\r\n", "x".repeat(101)],
      ["413", `${chunked}60\r\n${"x".repeat(96)}\r\n60\r\n`],
      ["400", `${chunked}zz\r\n`],
      ["400", `${chunked}${"0".repeat(100)}`],
      ["400", `${chunked}1\r\nab\r\n`],
      ["431", `A: ${"x".repeat(20_000)}\r\n\r\n`],
      ["400", "A: b\nC: d\r\n\r\n"],
    ]
  ) {
    assertStringIncludes(await send(...parts), `HTTP/1.1 ${status} `);
  }
  await until("all are closed", () => started.server.connections === 0);
});

Deno.test("who sends nothing, or never ends a head or a body, is hung up on", async () => {
  await using started = await start(echo);
  const began = performance.now();
  const all = await Promise.all([
    exchange(started.port),
    exchange(started.port, "GET /a HTT"),
    exchange(started.port, get1),
    exchange(started.port, post, "Content-Length: 9\r\n\r\nabc"),
    exchange(started.port, get1, "\r\n"),
  ]);
  assertEquals(all.map((text) => text.slice(0, 12)), ["", "", "", "", "HTTP/1.1 200"]);
  assert(performance.now() - began < 5000);
  await until("all are closed", () => started.server.connections === 0);
});

// The C library, which hangs up, stays loaded.
test("a reader that takes nothing is hung up on, and costs no memory", async () => {
  const big = new Uint8Array(32 << 20);
  await using started = await start(() => ({ status: 200, body: big }));
  using conn = await Deno.connect({ hostname: "127.0.0.1", port: started.port });
  await conn.write(new TextEncoder().encode(last));
  await until("the connection is there", () => started.server.connections === 1);
  await until("it is closed", () => started.server.connections === 0);
});

Deno.test("a connection too many takes the place of an idle one, and is refused where there is none", async () => {
  const go = Promise.withResolvers<void>();
  await using started = await start(async (request) => {
    await go.promise;
    return await echo(request);
  }, 2);
  const [one, two] = [exchange(started.port, last), exchange(started.port, last)];
  await until("both are there", () => started.server.connections === 2);
  await pause(50);
  assertMatch(await exchange(started.port, last), /^(\[reset\])?$/);
  assertEquals(started.server.refused, 1);
  go.resolve();
  assertMatch(await one + await two, /^HTTP.*HTTP/s);
  using _idle = await Deno.connect({ hostname: "127.0.0.1", port: started.port });
  using _other = await Deno.connect({ hostname: "127.0.0.1", port: started.port });
  await until("both are there", () => started.server.connections === 2);
  assertMatch(await exchange(started.port, last), /^HTTP\/1.1 200 /);
});

Deno.test("thousands of connections opened and closed leave nothing behind", async () => {
  await using started = await start(echo);
  for (let round = 0; round < 10; round++) {
    const all = await Promise.all(Array.from({ length: 100 }, async (_, i) => {
      const conn = await Deno.connect({ hostname: "127.0.0.1", port: started.port });
      if (i % 2 === 0) await conn.write(new TextEncoder().encode(get1.slice(0, i)));
      conn.close();
    }));
    assertEquals(all.length, 100);
  }
  assertEquals((await get(`http://127.0.0.1:${started.port}/x`)).text, "x ");
  await until("all are closed", () => started.server.connections <= 1);
  assertEquals(started.errors, []);
});

Deno.test("a request learns that its reader has gone, and that the server stops", async () => {
  let waiting = 0;
  let ended = 0;
  await using started = await start(async ({ signal }) => {
    waiting++;
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    ended++;
    return { status: 200, body: "current" };
  });
  const conn = await Deno.connect({ hostname: "127.0.0.1", port: started.port });
  await conn.write(new TextEncoder().encode(`${get1}\r\n`));
  await until("it waits", () => waiting === 1);
  conn.close();
  await until("it has ended", () => ended === 1);
  const answer = exchange(started.port, `${get1}\r\n`);
  const idle = exchange(started.port);
  await until("it waits", () => waiting === 2);
  await started.server.stop();
  assertMatch(await answer, /^HTTP\/1.1 200 .*Connection: close\r\n.*current$/s);
  assertEquals(await idle, "");
});

Deno.test("a stream comes in chunks, or without to those who know none", async () => {
  await using started = await start(() => ({
    status: 200,
    stream: async (out) => {
      await out.write(new TextEncoder().encode("one"));
      await out.write(new TextEncoder().encode("two"));
    },
  }));
  assertMatch(
    await exchange(started.port, `${get1}\r\n`),
    /chunked\r\n.*\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n$/s,
  );
  assertMatch(await exchange(started.port, "GET / HTTP/1.0\r\n\r\n"), /Connection: close\r\n\r\nonetwo$/);
});
