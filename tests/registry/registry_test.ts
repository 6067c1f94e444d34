import { assert, assertEquals, assertRejects } from "@std/assert";
import { ExitCode, UnreachableError } from "../../src/errors.ts";
import { type Instance, openRegistry, parseEndpoints, type Registry } from "../../src/registry/mod.ts";
import { Etcd, type EtcdOptions, freePorts } from "../support/etcd.ts";
import { pause } from "../support/pause.ts";

const web = { type: "web", name: "a", location: "10.0.0.7:80" };

interface Bench extends AsyncDisposable {
  readonly etcd: Etcd;
  readonly registry: Registry;
  /** Another registry in the same etcd. */
  open(treeRoot: string): Promise<Registry>;
}

async function bench(options?: EtcdOptions): Promise<Bench> {
  const etcd = await Etcd.start(options);
  const opened: Registry[] = [];
  const open = async (treeRoot: string): Promise<Registry> => {
    const registry = await openRegistry({
      endpoints: parseEndpoints(etcd.endpoint, "http"),
      treeRoot,
      timeout: 5000,
    });
    opened.push(registry);
    return registry;
  };
  return {
    etcd,
    registry: await open("/foo"),
    open,
    async [Symbol.asyncDispose](): Promise<void> {
      for (const registry of opened) registry[Symbol.dispose]();
      await etcd[Symbol.asyncDispose]();
    },
  };
}

/** What is listed, with the seconds that are left. */
async function listed(
  registry: Registry,
  ...types: string[]
): Promise<(Instance & { ttl: number | null })[]> {
  const { items: instances } = await registry.services.list({ types });
  return (await registry.withTtl(instances)).map(({ type, name, location, ttl = null }) => ({
    type,
    name,
    location,
    ttl,
  }));
}

/** The client of etcd ends its timers and sockets in its own time. */
function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, fn, sanitizeOps: false, sanitizeResources: false });
}

test("what is registered is listed, and what is unregistered is not", async () => {
  await using bed = await bench();
  const { registry } = bed;
  assertEquals(await listed(registry), []);
  await registry.services.register(web);
  assertEquals(await listed(registry), [{ ...web, ttl: null }]);
  assertEquals(await registry.services.remove("web/a"), true);
  assertEquals(await registry.services.remove("web/a"), false);
  assertEquals(await listed(registry), []);
});

test("etcdctl reads what empusa wrote, and empusa what etcdctl wrote", async () => {
  await using bed = await bench();
  const { registry, etcd } = bed;
  await registry.services.register({ type: "web", name: "größe", location: "http://日本:80/a b" });
  assertEquals(await etcd.etcdctl("get", "--prefix", "/"), "/foo/service/web/größe\nhttp://日本:80/a b\n");
  await etcd.etcdctl("put", "/foo/service/db/by hand", "unix:/run/db.sock");
  assertEquals(await listed(registry, "db"), [
    { type: "db", name: "by hand", location: "unix:/run/db.sock", ttl: null },
  ]);
  await registry.services.remove("web/größe");
  assertEquals(await etcd.etcdctl("get", "--prefix", "/foo/service/web"), "");
});

test("a registration with a TTL is gone when that is over", async () => {
  await using bed = await bench();
  const { registry, etcd } = bed;
  const { ttl } = await registry.services.register(web, 2);
  assertEquals(ttl, 2);
  const [instance] = await listed(registry);
  assert(instance?.ttl === 1 || instance?.ttl === 2, `${instance?.ttl}`);
  const start = Date.now();
  while (await etcd.etcdctl("get", "/foo/service/web/a") !== "") {
    assert(Date.now() - start < 5000, "it is still there after 5 s");
  }
  assert(Date.now() - start > 1000, "it was gone too soon");
});

test("etcd's minimum TTL is told", async () => {
  await using bed = await bench({ slowElections: true });
  assertEquals((await bed.registry.services.register(web, 1)).ttl, 2);
});

test("registering again replaces the location and the TTL", async () => {
  await using bed = await bench();
  const { registry } = bed;
  await registry.services.register(web);
  await registry.services.register({ ...web, location: "other:1" }, 60);
  const [leased] = await listed(registry);
  assertEquals(leased?.location, "other:1");
  assert((leased?.ttl ?? 0) > 55);
  await registry.services.register(web);
  assertEquals(await listed(registry), [{ ...web, ttl: null }]);
});

test("an expired lease of an earlier registration takes nothing along", async () => {
  await using bed = await bench();
  await bed.registry.services.register(web, 1);
  await bed.registry.services.register(web);
  await pause(3000);
  assertEquals(await listed(bed.registry), [{ ...web, ttl: null }]);
});

test("roots side by side never see each other", async () => {
  await using bed = await bench();
  const other = await bed.open("/foobar");
  const top = await bed.open("");
  await bed.registry.services.register(web);
  await other.services.register({ ...web, location: "other:1" });
  assertEquals(await listed(bed.registry), [{ ...web, ttl: null }]);
  assertEquals(await listed(other), [{ ...web, location: "other:1", ttl: null }]);
  assertEquals(await listed(top), []);
  assertEquals(await other.services.remove("web/b"), false);
  assertEquals(await other.services.remove("web/a"), true);
  assertEquals((await listed(bed.registry)).length, 1);
});

test("one type never sees another that begins alike", async () => {
  await using bed = await bench();
  await bed.registry.services.register(web);
  await bed.registry.services.register({ ...web, type: "web-admin" });
  assertEquals(await listed(bed.registry, "web"), [{ ...web, ttl: null }]);
});

test("what is no instance is told apart", async () => {
  await using bed = await bench();
  const { registry, etcd } = bed;
  await registry.services.register(web);
  await etcd.etcdctl("put", "/foo/service/web", "h:1");
  await etcd.etcdctl("put", "/foo/service/web/a/b", "h:1");
  await etcd.etcdctl("put", "/foo/service/web/raw", "\xff".repeat(2));
  const { items: instances, invalid } = await registry.services.list();
  assertEquals(instances.map(({ name }) => name), ["a", "raw"]);
  assertEquals(invalid, [
    { key: "/foo/service/web", rule: "be /foo/service/TYPE/NAME" },
    { key: "/foo/service/web/a/b", rule: "be /foo/service/TYPE/NAME" },
  ]);
});

test("thousands are listed in order, each with its own TTL", async () => {
  await using bed = await bench();
  const { registry } = bed;
  const names = Array.from({ length: 2500 }, (_, i) => `n${String((i * 7) % 2500).padStart(4, "0")}`);
  const waiting = names.values();
  const some = async (): Promise<void> => {
    for (const name of waiting) {
      await registry.services.register({ ...web, name, location: `h:${name}` }, 600);
    }
  };
  await Promise.all(Array.from({ length: 50 }, some));
  const instances = await listed(registry);
  assertEquals(instances.map(({ name }) => name), names.toSorted());
  for (const { name, location, ttl } of instances) {
    assertEquals(location, `h:${name}`);
    assert(ttl !== null && ttl > 500);
  }
});

test("more is read than fits into a page or, by default, into a message", async () => {
  await using bed = await bench();
  const { registry, etcd } = bed;
  const location = `h:${"1".repeat(1000)}`;
  await etcd.putMany(Array.from({ length: 12_000 }, (_, i) => [`/foo/service/web/n${i}`, location]));
  const { items: instances } = await registry.services.list();
  assertEquals(instances.length, 12_000);
  assertEquals(new Set(instances.map(({ name }) => name)).size, 12_000);
});

test("of many calls that find their token dead, one logs in again", async () => {
  await using etcd = await Etcd.start({ args: ["--auth-token-ttl=1"] });
  await etcd.enableAuth();
  using registry = await openRegistry({
    endpoints: parseEndpoints(etcd.endpoint, "http"),
    login: { username: "root", password: "rootpw" },
    treeRoot: "/foo",
    timeout: 5000,
  });
  await registry.services.list();
  assertEquals(await etcd.calls("Authenticate"), 1);
  await pause(3000);
  const before = await etcd.calls("Authenticate");
  await Promise.all(Array.from({ length: 50 }, () => registry.services.list()));
  const after = await etcd.calls("Authenticate");
  assert(after > before && after <= before + 2, `${after - before} log-ins for 50 calls`);
});

test("an etcd that is away is unreachable within the timeout", async () => {
  const endpoint = `127.0.0.1:${freePorts(1)[0]}`;
  using registry = await openRegistry({
    endpoints: parseEndpoints(endpoint, "http"),
    treeRoot: "/foo",
    timeout: 1000,
  });
  const start = Date.now();
  const error = await assertRejects(
    () => registry.services.list(),
    UnreachableError,
    `http://${endpoint}: connection refused`,
  );
  assertEquals(error.exitCode, ExitCode.unreachable);
  assert(Date.now() - start < 2000, `${Date.now() - start} ms`);
});

test("an etcd that is frozen is unreachable within the timeout, and answers when it is thawed", async () => {
  await using bed = await bench();
  await bed.registry.services.register(web);
  await bed.etcd.signal("SIGSTOP");
  const start = Date.now();
  await assertRejects(() => bed.registry.services.list(), UnreachableError, "no answer");
  assert(Date.now() - start < 6000, `${Date.now() - start} ms`);
  await bed.etcd.signal("SIGCONT");
  assertEquals((await listed(bed.registry)).length, 1);
});
