/** Messages about the internals of libraries reach no user. */
import { assert, assertEquals } from "@std/assert";
import { UnreachableError } from "../../src/errors.ts";
import { below } from "../../src/registry/span.ts";
import { EtcdStore } from "../../src/registry/etcd/store.ts";
import { toRegistryError } from "../../src/registry/etcd/errors.ts";
import { parseEndpoints } from "../../src/registry/endpoint.ts";
import { deadlineAfter } from "../../src/registry/store.ts";
import { Cluster } from "../support/etcd.ts";

const [endpoint] = parseEndpoints("127.0.0.1:2379", "http") as [ReturnType<typeof parseEndpoints>[number]];
const circumstances = { endpoint, tls: undefined, username: undefined, right: undefined, isAbandoned: false };

Deno.test("no message about a library's internals reaches a user", async () => {
  const sentences = [
    "Tried to call a KV method on etcd3, but the client was already closed",
    "13 INTERNAL: Received RST_STREAM with code 2 (Internal server error)",
    "14 UNAVAILABLE: Stream refused by server",
    "14 UNAVAILABLE: Write error: write after end",
    "13 INTERNAL: Received RST_STREAM with code 2 triggered by internal client error: Session closed with error code 2",
    "14 UNAVAILABLE: Channel closed before call started",
    "1 CANCELLED: Call cancelled",
    "14 UNAVAILABLE: LB pick queued too long",
  ];
  for (const sentence of sentences) {
    const { message } = await toRegistryError(new Error(sentence), circumstances);
    assert(/^(no answer in time|its connection broke|it closes the connection)$/.test(message), message);
  }
  const { message } = await toRegistryError(
    new TypeError("Cannot read properties of undefined"),
    circumstances,
  );
  assertEquals(message, "etcd at http://127.0.0.1:2379 failed: its answer is invalid");
});

Deno.test({
  name: "with two of three members frozen, status and list report it without naming a library",
  // etcd3 and grpc-js end their timers and sockets after the test.
  sanitizeOps: false,
  sanitizeResources: false,
  async fn(): Promise<void> {
    await using cluster = await Cluster.start(3);
    const [, second, third] = cluster.members;
    await second?.signal("SIGSTOP");
    await third?.signal("SIGSTOP");
    const store = new EtcdStore(parseEndpoints(cluster.endpoints, "http"));
    const limit = deadlineAfter(2000);
    const outcomes = await Promise.allSettled([
      store.list([below("/foo/")], limit),
      store.mayWrite("/foo/", limit),
      store.statuses(limit),
    ]);
    store.close();
    for (const outcome of outcomes) {
      if (outcome.status === "fulfilled") continue;
      assert(outcome.reason instanceof UnreachableError, `${outcome.reason}`);
      assert(/^cannot reach etcd within 2 s: /.test(outcome.reason.message), outcome.reason.message);
    }
    const [, , statuses] = outcomes;
    assert(statuses.status === "fulfilled");
    for (const { error } of statuses.value) {
      if (error !== undefined) assert(!/etcd3|grpc|method/.test(error.message), error.message);
    }
  },
});
