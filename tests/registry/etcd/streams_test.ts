/** The streams of etcd against a stream that a test controls. */
import { assertEquals, assertRejects } from "@std/assert";
import { Buffer } from "node:buffer";
import type { LeaseAnswer } from "../../../src/registry/etcd/answers.ts";
import { AttemptFailure } from "../../../src/registry/etcd/attempt.ts";
import { KeepAliveStream } from "../../../src/registry/etcd/keepalive_stream.ts";
import type { Duplex } from "../../../src/registry/etcd/stream.ts";
import type { WatchAnswer } from "../../../src/registry/etcd/watch_answers.ts";
import { WatchCanceled, WatchStream } from "../../../src/registry/etcd/watch_stream.ts";

/** A stream that records what is written, and emits what the test says. */
class FakeStream<Answer> implements Duplex<unknown, Answer> {
  readonly written: unknown[] = [];
  isCanceled = false;
  readonly #listeners = new Map<string, ((argument?: never) => void)[]>();

  write(request: unknown): void {
    this.written.push(request);
  }

  cancel(): void {
    this.isCanceled = true;
  }

  on(event: string, listener: (argument: never) => void): void {
    const listeners = this.#listeners.get(event) ?? [];
    this.#listeners.set(event, [...listeners, listener as () => void]);
  }

  emit(event: "data" | "error" | "end", argument?: Answer | Error): void {
    for (const listener of this.#listeners.get(event) ?? []) listener(argument as never);
  }
}

type KeepAliveAnswer = LeaseAnswer & { readonly ID: string };

const header = { revision: "7", member_id: "1" };
const soon = (): number => performance.now() + 5000;

Deno.test("a keep-alive stream answers refreshes by lease, in order", async () => {
  const fake = new FakeStream<KeepAliveAnswer>();
  const stream = new KeepAliveStream(fake);
  const refreshes = ["1", "2", "1"].map((id) => stream.refresh(id, soon()));
  for (const [ID, TTL] of [["3", "9"], ["1", "5"], ["1", "6"], ["2", "0"]] as const) {
    fake.emit("data", { header, ID, TTL });
  }
  assertEquals(await Promise.all(refreshes), [5, 0, 6]);
  assertEquals(fake.written, [{ ID: "1" }, { ID: "2" }, { ID: "1" }]);
});

Deno.test("a keep-alive stream rejects a refresh whose answer is invalid or late", async () => {
  const fake = new FakeStream<KeepAliveAnswer>();
  const stream = new KeepAliveStream(fake);
  const invalid = stream.refresh("1", soon());
  fake.emit("data", { header, ID: "1", TTL: "-1" });
  await assertRejects(() => invalid, AttemptFailure, "a TTL is -1");
  await assertRejects(() => stream.refresh("1", performance.now() + 20), AttemptFailure, "no answer in time");
});

Deno.test("a keep-alive stream that ends rejects every refresh, and reports its end once", async () => {
  const fake = new FakeStream<KeepAliveAnswer>();
  let ends = 0;
  const stream = new KeepAliveStream(fake, () => ends++);
  const refreshes = Promise.allSettled(["1", "2"].map((id) => stream.refresh(id, soon())));
  fake.emit("error", new Error("broken"));
  fake.emit("end");
  assertEquals((await refreshes).map(({ status }) => status), ["rejected", "rejected"]);
  await assertRejects(() => stream.refresh("3", soon()), Error, "broken");
  assertEquals(ends, 1);
});

const key = Buffer.from("/foo");
const created: WatchAnswer = { header, watch_id: "0", created: true };

function put(revision: number): WatchAnswer {
  const kv = { key, value: key, lease: "0", create_revision: "1", mod_revision: `${revision}` };
  return { header: { ...header, revision: "99" }, watch_id: "0", events: [{ type: "Put", kv }] };
}

Deno.test("a watch stream keeps the changes that arrive before they are delivered", async () => {
  const fake = new FakeStream<WatchAnswer>();
  using watch = new WatchStream(fake, [{ key }]);
  fake.emit("data", created);
  await watch.created(soon());
  fake.emit("data", put(8));
  const revisions: number[] = [];
  watch.deliver((changes) => revisions.push(...changes.map(({ revision }) => revision)));
  fake.emit("data", put(9));
  assertEquals(revisions, [8, 9]);
});

Deno.test("a watch stream ends if etcd cancels it, answers nonsense, or creates it too late", async () => {
  const canceled = new FakeStream<WatchAnswer>();
  const watch = new WatchStream(canceled, [{ key }]);
  canceled.emit("data", { header, canceled: true, cancel_reason: "no" });
  await assertRejects(() => watch.created(soon()), WatchCanceled, "no");

  const broken = new FakeStream<WatchAnswer>();
  const other = new WatchStream(broken, [{ key }]);
  broken.emit("data", created);
  await other.created(soon());
  broken.emit("data", { watch_id: "0", events: [] });
  assertEquals((await other.ended).message, "its answer does not come from etcd: it has no header");

  const silent = new FakeStream<WatchAnswer>();
  const late = new WatchStream(silent, [{ key }]);
  await assertRejects(() => late.created(performance.now() + 20), AttemptFailure, "no answer in time");
  assertEquals([canceled, broken, silent].map(({ isCanceled }) => isCanceled), [true, true, true]);
});

Deno.test("a silent watch stream asks for progress, and then ends", async () => {
  const fake = new FakeStream<WatchAnswer>();
  const watch = new WatchStream(fake, [{ key }]);
  fake.emit("data", created);
  // Long, as a machine that stops this process for all of that time is too late to ask.
  watch.detectSilence(800, () => -Infinity);
  assertEquals((await watch.ended).message, "no answer in time");
  assertEquals(fake.written.at(-1), { progress_request: {} });
});
