/** Leases that nothing is on any longer do not stay until their TTL is over. */
import { assert, assertEquals } from "@std/assert";
import { Etcd } from "../support/etcd.ts";
import { open } from "../support/registry.ts";
import { pause, until } from "../support/pause.ts";
import { connect, empusa, registerWeb } from "../support/program.ts";

/** The client of etcd ends its timers and sockets in its own time. */
function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, fn, sanitizeOps: false, sanitizeResources: false });
}

const web = { type: "web", name: "a", location: "h:1" };

/** The IDs of all leases, in hexadecimal. */
async function leases(etcd: Etcd): Promise<string[]> {
  return (await etcd.etcdctl("lease", "list")).split("\n").filter((line) => /^[0-9a-f]+$/.test(line));
}

test("a session that is told to end while its lease is being granted leaves none behind", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  await registry.services.list();
  for (let i = 0; i < 20; i++) {
    const session = registry.services.session(600);
    session.add(web);
    const over = new AbortController();
    const options = { every: "auto", onConflict: "yield", signal: over.signal, onEvent: () => {} } as const;
    const keeping = session.run(options);
    await pause(i % 4);
    over.abort();
    const began = performance.now();
    await keeping;
    assert(performance.now() - began < 1000, "it took its time");
    if (session.hasLease) await session.close(1000);
  }
  assertEquals(await leases(etcd), []);
});

test("what somebody removes again and again is put back slower and slower, but always", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  const session = await registry.services.register(web, 600);
  const over = new AbortController();
  let restored = 0;
  const keeping = session.run({
    every: "auto",
    onConflict: "yield",
    signal: over.signal,
    onEvent: ({ kind }) => {
      if (kind === "restored") restored++;
    },
  });
  const post = async (what: string): Promise<{ readonly kvs?: unknown }> => {
    const body = JSON.stringify({ key: btoa("/foo/service/web/a") });
    return await (await fetch(`${etcd.url}/v3/kv/${what}`, { method: "POST", body })).json();
  };
  await pause(200);
  for (const end = performance.now() + 3000; performance.now() < end;) await post("deleterange");
  assert(restored > 8 && restored < 20, `${restored} times`);
  await until("it is back", async () => (await post("range")).kvs !== undefined, 3);
  over.abort();
  await keeping;
});

test("a grant that is not answered keeps nobody for longer than a moment", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  await registry.services.list();
  await etcd.signal("SIGSTOP");
  const session = registry.services.session(600);
  session.add(web);
  const over = new AbortController();
  const options = { every: "auto", onConflict: "yield", signal: over.signal, onEvent: () => {} } as const;
  const keeping = session.run(options);
  await pause(50);
  over.abort();
  const began = performance.now();
  await keeping;
  const took = performance.now() - began;
  assert(took > 150 && took < 1500, `${took} ms`);
  assertEquals(session.hasLease, false);
  await etcd.signal("SIGCONT");
});

Deno.test("what is unregistered, registered anew or removed takes its lease along, but nobody else's", async () => {
  await using etcd = await Etcd.start();
  const env = connect(etcd);
  const register = [...registerWeb, "--ttl", "600"];
  const unregister = "service unregister --service-type web --service-name a".split(" ");
  const run = async (args: readonly string[]): Promise<void> =>
    assertEquals((await empusa(args, env)).code, 0);
  await run(register);
  const [first] = await leases(etcd);
  await run(register);
  const [second, ...others] = await leases(etcd);
  assertEquals([others, first === second], [[], false]);
  await run(unregister);
  assertEquals(await leases(etcd), []);

  // Something else lies on it.
  await run(register);
  const [shared = ""] = await leases(etcd);
  await etcd.etcdctl("put", `--lease=${shared}`, "/other", "x");
  await run(unregister);
  assertEquals([await leases(etcd), await etcd.etcdctl("get", "--keys-only", "/other")], [
    [shared],
    "/other\n\n",
  ]);
  await etcd.etcdctl("lease", "revoke", shared);

  // Somebody else has made it.
  const [, foreign = ""] = /lease (\S+) granted/.exec(await etcd.etcdctl("lease", "grant", "600")) ?? [];
  await etcd.etcdctl("put", `--lease=${foreign}`, "/foo/service/web/a", "h:2");
  await run(unregister);
  assertEquals(await leases(etcd), [foreign]);
  await etcd.etcdctl("lease", "revoke", foreign);

  await run(["switch", "set", "x", "on", "--ttl", "600"]);
  await run(["switch", "remove", "x"]);
  assertEquals(await leases(etcd), []);
});

Deno.test("who may write only unregisters all the same", async () => {
  await using etcd = await Etcd.start();
  await etcd.enableAuth({ writer: { password: "pw", right: "write", prefix: "/foo/" } });
  const env = { ...connect(etcd), EMPUSA_ETCD_USERNAME: "writer", EMPUSA_ETCD_PASSWORD: "pw" };
  const { code, stderr } = await empusa(
    "service unregister --service-type web --service-name a".split(" "),
    env,
  );
  assertEquals([code, stderr.includes("already unregistered: web/a")], [0, true]);
});
