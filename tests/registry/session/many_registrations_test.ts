/** Hundreds of registrations on one session, as an agent keeps them. */
import { assert, assertEquals } from "@std/assert";
import {
  type Instance,
  openRegistry,
  parseEndpoints,
  type Registry,
  type Session,
  type SessionEvent,
} from "../../../src/registry/mod.ts";
import { Etcd } from "../../support/etcd.ts";
import { pause, until } from "../../support/pause.ts";

const count = 400;
const names = Array.from({ length: count }, (_, i) => `n${i}`);
const instance = (name: string): Instance => ({ type: "web", name, location: "h:1" });

/** A running session, and what it reports. */
class Bed implements AsyncDisposable {
  readonly session: Session;
  readonly #etcd: Etcd;
  readonly #registry: Registry;
  readonly #stop = new AbortController();
  readonly #events: SessionEvent[] = [];
  readonly #running: Promise<void>;

  constructor(etcd: Etcd, registry: Registry) {
    this.#etcd = etcd;
    this.#registry = registry;
    this.session = registry.services.session(6);
    for (const name of names) this.session.add(instance(name));
    const onEvent = (event: SessionEvent): void => void this.#events.push(event);
    this.#running = this.session.run({
      every: "auto",
      onConflict: "yield",
      signal: this.#stop.signal,
      onEvent,
    });
  }

  /** How many events of this kind the session has reported. */
  reported(kind: SessionEvent["kind"]): number {
    return this.#events.filter((event) => event.kind === kind).length;
  }

  /** How many instances are registered in etcd. */
  async found(): Promise<number> {
    return (await this.#registry.services.list()).items.length;
  }

  async leases(): Promise<string[]> {
    const [, ...leases] = (await this.#etcd.etcdctl("lease", "list")).trim().split("\n");
    return leases;
  }

  async operations(): Promise<number> {
    return await this.#etcd.calls("Txn") + await this.#etcd.calls("Range");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }
}

/** Adds 20 instances, one after the other. */
async function addOneByOne(bed: Bed, etcd: Etcd): Promise<void> {
  await pause(500);
  const before = await bed.operations();
  for (let i = 0; i < 20; i++) {
    bed.session.add(instance(`later${i}`));
    await until("it is registered", () => bed.reported("registered") === count + i + 1);
  }
  await pause(500);
  const cost = await bed.operations() - before;
  assert(cost < 20 * 20, `${cost} operations for 20 instances`);
  const restored = bed.reported("restored");
  await etcd.etcdctl("del", "--prefix", "/foo/service/web/later");
  await until("they are restored", () => bed.reported("restored") === restored + 20);
}

async function work(etcd: Etcd, registry: Registry, t: Deno.TestContext): Promise<Session> {
  await using bed = new Bed(etcd, registry);
  await t.step("all are registered, on one lease", async () => {
    await until("all are registered", () => bed.reported("registered") === count);
    assertEquals(await bed.found(), count);
    assertEquals((await bed.leases()).length, 1);
  });
  await t.step("keys that are deleted by hand are restored", async () => {
    await pause(500);
    await etcd.etcdctl("del", "--prefix", "/foo/service/web/n1");
    const deleted = names.filter((name) => name.startsWith("n1")).length;
    await until("those are restored", () => bed.reported("restored") === deleted);
    assertEquals(await bed.found(), count);
  });
  await t.step("all are restored after the lease was revoked", async () => {
    const before = bed.reported("restored");
    await etcd.etcdctl("lease", "revoke", (await bed.leases())[0] ?? "");
    await until("all are restored", () => bed.reported("restored") === before + count);
    assertEquals(await bed.found(), count);
  });
  await t.step("an added instance costs a few operations, however many there are", async () => {
    await addOneByOne(bed, etcd);
  });
  await t.step("removed instances are unregistered, and the others outlive the TTL", async () => {
    for (const name of names.slice(0, 100)) bed.session.remove(instance(name));
    await until("they are unregistered", () => bed.reported("unregistered") === 100);
    await pause(7000);
    assertEquals(await bed.found(), count - 80);
  });
  return bed.session;
}

Deno.test({
  name: "400 registrations on one session are added, restored, removed, and gone when it is closed",
  // The client of etcd ends its timers and sockets in its own time.
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async (t) => {
    await using etcd = await Etcd.start();
    const endpoints = parseEndpoints(etcd.endpoint, "http");
    using registry = await openRegistry({ endpoints, treeRoot: "/foo", timeout: 5000 });
    const session = await work(etcd, registry, t);
    await session.close(5000);
    assertEquals((await registry.services.list()).items, []);
  },
});
