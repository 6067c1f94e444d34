/** How long something has left is an extra: a list does not wait for it, and does not fail for it. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { answer, header, HostileEtcd, keyValue, type Script } from "../support/hostile_etcd.ts";
import { connect, empusa } from "../support/program.ts";
import type { Message } from "../support/wire.ts";

const name = (n: number): string => `/foo/service/web/${100_000 + n}`;

/** Answers a range with so many instances, each on a lease of its own. */
function instances(count: number): Script {
  const all = Array.from({ length: count }, (_, i) => name(i));
  const pages = new Map<string, Message>();
  return (call, request) => {
    const from = new TextDecoder().decode(request.get(1) as Uint8Array);
    if (!pages.has(from)) {
      const left = all.filter((name) => name >= from);
      const kvs = left.slice(0, Number(request.get(3))).map((name, i) =>
        [2, keyValue(name, "10.0.0.7:80", 5, BigInt(name.slice(-6)) * 10n + BigInt(i % 10) + 1n)] as const
      );
      pages.set(from, [[1, header()], ...kvs, [3, left.length > kvs.length ? 1 : 0]]);
    }
    answer(...pages.get(from) as Message)(call, request);
  };
}

Deno.test("list shows what is registered though etcd does not tell how long it has left", async () => {
  const kvs = [0, 1, 2].map((n) => [2, keyValue(name(n), "10.0.0.7:80", 5, BigInt(n) + 1n)] as const);
  // One type is read in a transaction, its metadata first.
  const ranges = [[], kvs].map((kvs) => [3, [[1, [[1, header()], ...kvs]]]] as const);
  const Txn = answer([1, header()], [2, 1], ...ranges);
  await using etcd = await HostileEtcd.start({ Range: instances(3), Txn, LeaseTimeToLive: () => {} });
  const env = { ...connect(etcd), EMPUSA_TIMEOUT: "1.5" };
  const plain = await empusa(["service", "list", "--format", "plain"], env);
  const table = await empusa(["service", "list"], env);
  assertEquals(
    [table.code, table.stdout],
    [
      0,
      `TYPE\tNAME\tLOCATION\tTTL\n${[0, 1, 2].map((n) => `web\t${100_000 + n}\t10.0.0.7:80\t?\n`).join("")}`,
    ],
  );
  assertEquals(
    table.stderr,
    "empusa: etcd did not report the TTL of 3 of 3 in time: shown as ? or null\n",
  );
  // The time that a command may take, once.
  assert(table.took < plain.took + 2500, `${table.took} ms, and ${plain.took} ms without`);
  const json = await empusa(["service", "wait", "--service-type", "web", "--format", "json"], env);
  assertEquals([json.code, JSON.parse(json.stdout).map(({ ttl }: { ttl: unknown }) => ttl)], [0, [
    null,
    null,
    null,
  ]]);
});

Deno.test("list of 20,000 services with a lease each takes little longer than without", async () => {
  await using etcd = await HostileEtcd.start({ Range: instances(20_000) });
  // The deadline is for a machine on which all of this takes minutes.
  const env = { ...connect(etcd), EMPUSA_TIMEOUT: "300" };
  const plain = await empusa(["service", "list", "--format", "plain"], env);
  const { code, stdout, stderr, took } = await empusa(["service", "list", "--format", "csv"], env);
  assertEquals([code, stdout.split("\n").length], [0, 20_002]);
  assertMatch(stdout.split("\n")[1] ?? "", /^web,100000,10.0.0.7:80,20,,,1$/);
  assertMatch(stderr, /^empusa: etcd did not report the TTL of \d+ of 20000 in time: .*\n$/);
  assert(took < 3 * plain.took + 1600, `${took} ms, and ${plain.took} ms without`);
});
