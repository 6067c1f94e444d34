/** Importing from a server that is not etcd, and hostile. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { empusa } from "../support/in_process.ts";
import { Etcd } from "../support/etcd.ts";
import { connect, type Env } from "../support/program.ts";

/** A server in place of etcd's v2 API. */
class HostileServer implements AsyncDisposable {
  /** What the next answers are. */
  respond: (request: Request) => Response = () => new Response();
  /** The requests so far. */
  readonly asked: { readonly path: string; readonly authorized: boolean }[] = [];
  readonly #server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    this.asked.push({
      path: new URL(request.url).pathname,
      authorized: request.headers.has("authorization"),
    });
    return this.respond(request);
  });

  /** The options of `import` that name it. */
  get args(): string[] {
    return ["import", "--from-etcd-v2", `127.0.0.1:${this.#server.addr.port}`];
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#server.shutdown();
  }
}

const envFor = (etcd: Etcd): Env => ({
  ...connect(etcd),
  EMPUSA_TIMEOUT: "20",
  EMPUSA_ETCD_USERNAME: "me",
  EMPUSA_ETCD_PASSWORD: "secret",
});

const answer = (node: unknown): Response => Response.json({ action: "get", node });
const folder = (...nodes: unknown[]): Response => answer({ key: "/foo/service", dir: true, nodes });
const endless = (): Response => {
  const chunk = new TextEncoder().encode(" ".repeat(2 ** 20));
  return new Response(new ReadableStream({ pull: (controller) => controller.enqueue(chunk) }));
};
const deep = `{"node":${'{"key":"/foo/service","dir":true,"nodes":['.repeat(50_000)}${"]}".repeat(50_000)}}`;

/** An answer, and what the message about it has to hold. */
const answers: readonly (readonly [name: string, response: () => Response, message: string])[] = [
  ["a key elsewhere", () => folder({ key: "/foo/switch/x", value: "1" }), "does not lie in"],
  ["a key above", () => folder({ key: "/foo/service/../switch", value: "1" }), "does not lie in"],
  [
    "a key deeper than its folder",
    () => folder({ key: "/foo/service/a/b", value: "1" }),
    "does not lie in",
  ],
  ["another folder", () => answer({ key: "/bar/service", dir: true, nodes: [] }), "does not lie in"],
  ["a key that is no text", () => folder({ key: 7, value: "1" }), "a node has no key, or is malformed"],
  [
    "a value that is no text",
    () => folder({ key: "/foo/service/a", value: 7 }),
    "a value is not a string",
  ],
  ["no value", () => folder({ key: "/foo/service/a" }), "has no value"],
  ["a node that is none", () => folder(null), "a node is not an object"],
  ["nodes that are none", () => answer({ key: "/foo/service", dir: true, nodes: {} }), "malformed"],
  ["a nest of 50,000 folders", () => new Response(deep), "does not lie in"],
  ["no JSON", () => new Response("<html>"), "is not from the v2 API of etcd: status 200"],
  ["no answer of etcd's", () => Response.json([]), "is not from the v2 API of etcd: status 200"],
  ["an error", () => new Response("no", { status: 500 }), "is not from the v2 API of etcd: status 500"],
  ["an answer without end", endless, "more than 64 MiB, the most that empusa reads"],
  ["a redirection", () => Response.redirect("http://127.0.0.1:1/elsewhere"), "empusa follows no redirects"],
];

Deno.test("an invalid answer is refused in one line, and the password is not sent", async (t) => {
  await using etcd = await Etcd.start();
  for (const [name, response, message] of answers) {
    await t.step(name, async () => {
      await using server = new HostileServer();
      server.respond = response;
      const { code, stdout, stderr } = await empusa(server.args, envFor(etcd));
      assertEquals([code, stdout], [9, ""]);
      assertStringIncludes(stderr, message);
      assertEquals(stderr.split("\n").length, 2);
      assert(server.asked.every(({ path }) => path.startsWith("/v2/keys/foo/s")), "nothing else is asked");
      assert(!server.asked.some(({ authorized }) => authorized), "the password is for another etcd");
    });
  }
});

Deno.test("invalid names and values are not imported, and printed escaped", async () => {
  await using etcd = await Etcd.start();
  await using server = new HostileServer();
  server.respond = (request) =>
    request.url.includes("/switch?")
      ? answer({ key: "/foo/switch", dir: true, nodes: [{ key: "/foo/switch/\x1b[2J", value: "1" }] })
      : folder({
        key: "/foo/service/a",
        dir: true,
        nodes: [{ key: "/foo/service/a/b", value: "x\x1b]0;owned\x07" }, {
          key: "/foo/service/a/c",
          value: "h:1",
        }],
      });
  const { code, stdout } = await empusa(server.args, envFor(etcd));
  assertEquals(code, 9);
  assert(!stdout.includes("\x1b") && !stdout.includes("\x07"));
  assertEquals(await etcd.etcdctl("get", "--prefix", "/"), "/foo/service/a/c\nh:1\n");
});

Deno.test("a server that is silent, or hangs up in the middle, ends the import within the timeout", async (t) => {
  await using etcd = await Etcd.start();
  for (const words of ["", 'HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n{"node":']) {
    await t.step(words === "" ? "silent" : "hangs up", async () => {
      using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      const connections: Deno.Conn[] = [];
      (async () => {
        for await (const connection of listener) {
          connections.push(connection);
          await connection.write(new TextEncoder().encode(words)).catch(() => {});
          if (words !== "") connection.close();
        }
      })();
      const silent = `--from-etcd-v2=127.0.0.1:${(listener.addr as Deno.NetAddr).port}`;
      const began = performance.now();
      const { code, stderr } = await empusa(["import", silent], { ...envFor(etcd), EMPUSA_TIMEOUT: "1" });
      assertEquals([code, stderr.split("\n").length], [3, 2]);
      assert(performance.now() - began < 2500, "within the timeout");
      if (words === "") connections.forEach((connection) => connection.close());
    });
  }
});
