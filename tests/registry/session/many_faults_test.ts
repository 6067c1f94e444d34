/** 2,000 instances of one session under faults of etcd: all are back, each is told once, and nothing else is touched. */
import { assert, assertEquals } from "@std/assert";
import type { Instance, Registry, SessionEvent } from "../../../src/registry/mod.ts";
import { Etcd } from "../../support/etcd.ts";
import { keep, type Kept, test } from "../../support/kept_session.ts";
import { pause, until } from "../../support/pause.ts";
import { open } from "../../support/registry.ts";
import { stored } from "../../support/stored.ts";

const count = 2000;
const instances: readonly Instance[] = Array.from({ length: count }, (_, i) => ({
  ...{ type: i % 4 === 0 ? "db" : "web", name: `n${i}`, location: `h:${i + 1}` },
  ...i % 4 === 1 ? { metadata: { tags: ["v1"], meta: {}, weight: 2 }, mirrors: ["grpc=/grpc"] } : {},
}));
const neighbors = [
  "/foo/service/web/theirs",
  "/foo/service-meta/web/theirs",
  "/foo/switch/s",
  "/grpc/web/theirs",
];

/** How often each instance was told to have become that. */
function timesOf({ events }: Kept, kind: SessionEvent["kind"]): number[] {
  const times = new Map<string, number>();
  for (const event of events) {
    if (event.kind === kind && "instance" in event) {
      times.set(event.instance.name, (times.get(event.instance.name) ?? 0) + 1);
    }
  }
  return [...times.values()];
}

async function all(registry: Registry): Promise<boolean> {
  const { items } = await registry.services.list({ types: [], all: true });
  return items.filter(({ name }) => name !== "theirs").length === count;
}

interface Bed {
  readonly etcd: Etcd;
  readonly kept: Kept;
  readonly registry: Registry;
}

/**
 * Lets a fault happen to a session that has nothing left to do.
 * @param restored how often each instance may be told to be restored
 */
async function under(fault: (bed: Bed) => Promise<unknown>, restored: readonly number[]): Promise<void> {
  await using etcd = await Etcd.start();
  using registry = await open(etcd, 3000);
  for (const key of neighbors) await etcd.etcdctl("put", key, key.includes("meta") ? "{}" : "theirs:1");
  const session = registry.services.session(5);
  await using kept = keep(session);
  for (const instance of instances) session.add(instance);
  await until("all are registered", () => timesOf(kept, "registered").length === count, 30);
  await pause(1500);
  const before = await stored(etcd);
  kept.events.length = 0;
  await fault({ etcd, kept, registry });
  await until("all are back", () => all(registry), 30);
  await pause(3000);
  const times = [...new Set(timesOf(kept, "restored"))];
  const told = timesOf(kept, "restored").length;
  assert(told === 0 || told === count, `${told} of ${count} are told to be restored`);
  assert((times.length === 0 ? [0] : times).every((one) => restored.includes(one)), `restored: ${times}`);
  const kinds = new Set(kept.events.map(({ kind }) => kind));
  for (const kind of ["lost", "reclaimed", "blocked", "unregistered", "changed", "registered"] as const) {
    assert(!kinds.has(kind), kind);
  }
  const after = await stored(etcd);
  assertEquals([...after.keys()].filter((key) => !neighbors.includes(key)), [
    ...before.keys().filter((key) => !neighbors.includes(key)),
  ]);
  for (const key of neighbors) if (after.has(key)) assertEquals(after.get(key), before.get(key));
}

test("2,000 instances outlive an etcd that is killed and started again", async () => {
  await under(async ({ etcd, kept }) => {
    await etcd.signal("SIGKILL");
    await pause(2000);
    await etcd.restart();
    await until("it is over", () => kept.events.some(({ kind }) => kind === "reconnected"), 20);
  }, [0]);
});

test("2,000 instances are back after an etcd has lost its data", async () => {
  await under(async ({ etcd, kept }) => {
    await etcd.signal("SIGKILL");
    await etcd.wipe();
    await etcd.restart();
    await until("it is over", () => timesOf(kept, "restored").length === count, 20);
  }, [1]);
});

test("2,000 instances are back after their lease was revoked", async () => {
  await under(async ({ etcd, kept }) => {
    const [, lease = ""] = (await etcd.etcdctl("lease", "list")).trim().split("\n");
    await etcd.etcdctl("lease", "revoke", lease);
    await until("it is over", () => timesOf(kept, "restored").length === count, 20);
  }, [1]);
});

test("2,000 instances are back after an etcd was frozen for longer than the TTL", async () => {
  await under(async ({ etcd, kept }) => {
    await etcd.signal("SIGSTOP");
    await pause(8000);
    await etcd.signal("SIGCONT");
    await until("it is over", () => kept.events.some(({ kind }) => kind === "reconnected"), 20);
    assert(kept.events.some(({ kind }) => kind === "ttl-exceeded"));
  }, [0, 1]);
});
