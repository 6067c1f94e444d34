/** If a revision is compacted during a list, empusa reads everything again at a newer revision. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { UnreachableError } from "../../src/errors.ts";
import { Etcd } from "../support/etcd.ts";
import { pause } from "../support/pause.ts";
import { open } from "../support/registry.ts";
import { answer, header, HostileEtcd, keyValue, type Script } from "../support/hostile_etcd.ts";

/** etcd3 and grpc-js end their timers and sockets after the test. */
function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, fn, sanitizeOps: false, sanitizeResources: false });
}

test("lists are complete while etcd compacts all revisions but the newest", async () => {
  await using etcd = await Etcd.start();
  await etcd.putMany(Array.from({ length: 8000 }, (_, i) => [`/foo/service/t${i % 2}/${i}`, "h:1"]));
  using registry = await open(etcd, 20_000);
  let over = false;
  const compactions = (async (): Promise<number> => {
    const post = async (path: string, body: unknown): Promise<{ header: { revision: string } }> =>
      await (await fetch(`${etcd.url}/v3/kv/${path}`, { method: "POST", body: JSON.stringify(body) })).json();
    let times = 0;
    for (; !over; times++) {
      const { header: { revision } } = await post("put", { key: btoa("/other"), value: btoa("x") });
      await post("compaction", { revision });
      // Leaves time for a list to succeed, and more and more of it: a machine may be slow.
      await pause((150 + 20 * times) * Math.random());
    }
    return times;
  })();
  try {
    for (let i = 0; i < 8; i++) {
      const { items: instances } = await registry.services.list({ types: i % 2 === 0 ? [] : ["t0", "t1"] });
      assertEquals(instances.length, 8000);
    }
  } finally {
    over = true;
  }
  assert(await compactions > 2);
});

/** A range of two pages. The revision of the second one is compacted so many times. */
function compacting(times: number): Script {
  let left = times;
  return (call, request) => {
    // The first page is asked for at the newest revision.
    const isFirst = (request.get(4) ?? 0n) === 0n;
    if (!isFirst && left-- > 0) {
      return call.end(11, "etcdserver: mvcc: required revision has been compacted");
    }
    const page = [2, keyValue(`/foo/service/web/${isFirst ? "a" : "b"}`)] as const;
    answer([1, header()], page, [3, isFirst ? 1 : 0])(call, request);
  };
}

test("a list starts again at the first page, with pauses, until its deadline", async () => {
  await using etcd = await HostileEtcd.start({ Range: compacting(2) });
  using registry = await open(etcd, 4000);
  assertEquals((await registry.services.list()).items.map(({ name }) => name), ["a", "b"]);
  assertEquals(etcd.calls.get("Range"), 6);
  etcd.play({ Range: compacting(Infinity) });
  etcd.calls.clear();
  using hasty = await open(etcd, 1000);
  // The deadline passes in a pause or, on a busy machine, during a call: the message differs.
  await assertRejects(() => hasty.services.list(), UnreachableError, "within 1 s");
  assert((etcd.calls.get("Range") ?? 0) < 30, `${etcd.calls.get("Range")} calls`);
});
