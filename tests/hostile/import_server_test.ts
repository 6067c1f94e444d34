/** Importing from a server that is no etcd and means harm. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { empusa } from "../support/in_process.ts";
import { Etcd } from "../support/etcd.ts";
import { connect } from "../support/program.ts";

Deno.test("a hostile server gets nothing, and does nothing", async (t) => {
  await using etcd = await Etcd.start();
  const answer = (node: unknown): Response => Response.json({ action: "get", node });
  const folder = (...nodes: unknown[]): Response => answer({ key: "/foo/service", dir: true, nodes });
  let asked: { readonly path: string; readonly authorized: boolean }[] = [];
  let respond = (_: Request): Response => new Response();
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    asked.push({ path: new URL(request.url).pathname, authorized: request.headers.has("authorization") });
    return respond(request);
  });
  const source = `127.0.0.1:${server.addr.port}`;
  const env: Record<string, string> = {
    ...connect(etcd),
    EMPUSA_TIMEOUT: "20",
    EMPUSA_ETCD_USERNAME: "me",
    EMPUSA_ETCD_PASSWORD: "secret",
  };
  const endless = (): Response => {
    const chunk = new TextEncoder().encode(" ".repeat(2 ** 20));
    return new Response(new ReadableStream({ pull: (controller) => controller.enqueue(chunk) }));
  };
  const deep = `{"node":${'{"key":"/foo/service","dir":true,"nodes":['.repeat(50_000)}${
    "]}".repeat(50_000)
  }}`;
  for (
    const [name, response, message] of [
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
      ["a redirection", () => Response.redirect(`http://${source}/elsewhere`), "empusa follows no redirects"],
    ] as const
  ) {
    await t.step(name, async () => {
      asked = [];
      respond = response;
      const { code, stdout, stderr } = await empusa(["import", "--from-etcd-v2", source], env);
      assertEquals([code, stdout], [9, ""]);
      assertStringIncludes(stderr, message);
      assertEquals(stderr.split("\n").length, 2);
      assert(asked.every(({ path }) => path.startsWith("/v2/keys/foo/s")), "nothing else is asked");
      assert(!asked.some(({ authorized }) => authorized), "the password is for another etcd");
    });
  }
  await t.step("values that no etcd may hold", async () => {
    respond = (request) =>
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
    const { code, stdout } = await empusa(["import", "--from-etcd-v2", source], env);
    assertEquals(code, 9);
    assert(!stdout.includes("\x1b") && !stdout.includes("\x07"));
    assertEquals(await etcd.etcdctl("get", "--prefix", "/"), "/foo/service/a/c\nh:1\n");
  });
  await t.step("silence, and an end in the middle", async () => {
    for (const words of ["", 'HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n{"node":']) {
      using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      const connections: Deno.Conn[] = [];
      (async () => {
        for await (const connection of listener) {
          connections.push(connection);
          await connection.write(new TextEncoder().encode(words)).catch(() => {});
          if (words !== "") connection.close();
        }
      })();
      const address = listener.addr as Deno.NetAddr;
      const silent = `--from-etcd-v2=127.0.0.1:${address.port}`;
      const began = performance.now();
      const { code, stderr } = await empusa(["import", silent], { ...env, EMPUSA_TIMEOUT: "1" });
      assertEquals([code, stderr.split("\n").length], [3, 2]);
      assert(performance.now() - began < 2500, "within the timeout");
      if (words === "") connections.forEach((connection) => connection.close());
    }
  });
});
