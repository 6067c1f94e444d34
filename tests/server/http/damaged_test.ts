/** The HTTP server under requests that are damaged. */
import { assertEquals } from "@std/assert";
import { HttpServer } from "../../../src/server/http/server.ts";
import { Random } from "../../support/random.ts";
import { get } from "../../support/serving.ts";
import { until } from "../../support/pause.ts";

/** Requests that are right, for damage. */
const post = "POST /p HTTP/1.1\r\nHost: x\r\n";
const seeds = [
  "GET /a HTTP/1.1\r\nHost: x\r\n\r\n",
  `${post}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`,
  `${post}Content-Length: 3\r\n\r\nabcHEAD /x HTTP/1.0\r\n\r\n`,
];

/** Changes a few bytes: others, fewer, more, twice, cut off. */
function damaged(bytes: Uint8Array, random: Random): Uint8Array<ArrayBuffer> {
  const below = (end: number): number => Math.floor(random.next() * end);
  let all = [...bytes];
  for (let left = below(5); left > 0; left--) {
    const at = below(all.length);
    const some = Array.from({ length: below(9) }, () => below(256));
    all = [
      () => all.with(at, below(256)),
      () => all.toSpliced(at, below(9)),
      () => all.toSpliced(at, 0, ...some),
      () => all.toSpliced(at, 0, ...all.slice(at, at + 40)),
      () => all.slice(0, at + 1),
    ][below(5)]?.() ?? all;
  }
  return new Uint8Array(all);
}

Deno.test("damaged requests are answered, refused or hung up on, and the server goes on", async () => {
  const limits = { requestTimeout: 600, idleTimeout: 600, writeTimeout: 600, maxBodyBytes: 100 };
  const answer = { status: 200, body: "answer" };
  const server = new HttpServer(() => answer, { maxConnections: 1000, limits, onAcceptError: () => {} });
  const address = await server.listen({ kind: "tcp", host: "127.0.0.1", port: 0 });
  const port = address.kind === "tcp" ? address.port : 0;
  const random = new Random(1);
  for (let round = 0; round < 20; round++) {
    await Promise.all(
      seeds.flatMap((seed) => [seed, seed, seed, seed]).map(async (seed) => {
        using conn = await Deno.connect({ hostname: "127.0.0.1", port });
        try {
          await conn.write(damaged(new TextEncoder().encode(seed), random));
          await conn.closeWrite();
          // It ends with what was sent, whatever that was.
          while (await conn.read(new Uint8Array(4096)) !== null);
        } catch {
          // It was reset.
        }
      }),
    );
  }
  assertEquals((await get(`http://127.0.0.1:${port}/x`)).text, "answer");
  await until("all are closed", () => server.connections <= 1);
  await server.stop();
});
