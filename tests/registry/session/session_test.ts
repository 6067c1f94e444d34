/** Sessions against a real etcd: cost, watches, and permissions. */
import { assert, assertEquals } from "@std/assert";
import { openRegistry, parseEndpoints } from "../../../src/registry/mod.ts";
import { Etcd } from "../../support/etcd.ts";
import { keep, key, revisionOf, test, web } from "../../support/kept_session.ts";
import { pause, until } from "../../support/pause.ts";
import { open } from "../../support/registry.ts";

test("an idle session costs one message a refresh, on one stream, and no event", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  const session = await registry.services.register(web, 3);
  await using _kept = keep(session, "yield", 200);
  const revision = await revisionOf(etcd);
  await pause(1000);
  const methods = [
    "Put",
    "Txn",
    "Range",
    "LeaseGrant",
    "LeaseTimeToLive",
    "Authenticate",
    "Watch",
    "LeaseKeepAlive",
  ];
  const started = (): Promise<number[]> => Promise.all(methods.map((method) => etcd.calls(method)));
  const [calls, messages] = [await started(), await etcd.messages("LeaseKeepAlive")];
  const began = performance.now();
  await pause(4000);
  assertEquals(await started(), calls);
  const sent = await etcd.messages("LeaseKeepAlive") - messages;
  const expected = (performance.now() - began) / 200;
  assert(sent >= 0.75 * expected && sent <= expected + 2, `${sent} messages instead of ${expected}`);
  assertEquals(await revisionOf(etcd), revision);
});

test("an instance that is registered later is watched too", async () => {
  await using etcd = await Etcd.start();
  using registry = await open(etcd);
  const session = await registry.services.register(web, 60);
  await using kept = keep(session);
  await pause(300);
  await session.register({ ...web, name: "later" });
  await pause(300);
  await etcd.etcdctl("del", "/foo/service/web/later");
  await until("it is back", async () => await etcd.etcdctl("get", "/foo/service/web/later") !== "");
  assertEquals(kept.events.map(({ kind }) => kind), ["restored"]);
});

test("a session survives a permission that is revoked and granted again", async () => {
  await using etcd = await Etcd.start();
  await etcd.enableAuth({ web: { password: "pw", right: "readwrite", prefix: "/foo/" } });
  using registry = await openRegistry({
    endpoints: parseEndpoints(etcd.endpoint, "http"),
    login: { username: "web", password: "pw" },
    treeRoot: "/foo",
    timeout: 5000,
  });
  await using kept = keep(await registry.services.register(web, 3));
  await pause(200);
  const as = "--user=root:rootpw";
  await etcd.etcdctl(as, "role", "revoke-permission", "web", "--prefix=true", "/foo/");
  await etcd.etcdctl(as, "del", key);
  await until("it is reported", () => kept.events.length === 1);
  const [event] = kept.events;
  assert(
    event?.kind === "disconnected" && event.error.message.includes('user "web" may not'),
    JSON.stringify(event),
  );
  await etcd.etcdctl(as, "role", "grant-permission", "web", "--prefix=true", "readwrite", "/foo/");
  await until("it is over", () => kept.events.length === 3);
  assertEquals(kept.events.map(({ kind }) => kind), ["disconnected", "restored", "reconnected"]);
  assertEquals(await etcd.etcdctl(as, "get", key), `${key}\nh:1\n`);
});
