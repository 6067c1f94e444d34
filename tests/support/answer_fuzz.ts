/** An etcd whose answers are broken at random, and what may come of that: errors that are ours, in time; and nothing else. */
import { leaseIdFor } from "../../src/registry/session/own_lease.ts";
import { EmpusaError } from "../../src/errors.ts";
import { openRegistry, parseEndpoints, type Registry } from "../../src/registry/mod.ts";
import {
  answer,
  type Call,
  header,
  HostileEtcd,
  keyValue,
  type Script,
  type Scripts,
} from "./hostile_etcd.ts";
import { pause } from "./pause.ts";
import { Random } from "./random.ts";
import { encode, type Message } from "./wire.ts";

const methods = [
  "Range",
  "Txn",
  "DeleteRange",
  "LeaseGrant",
  "LeaseRevoke",
  "LeaseTimeToLive",
  "LeaseLeases",
  "LeaseKeepAlive",
  "Watch",
  "Authenticate",
  "Alarm",
  "Status",
] as const;

/** Milliseconds for each operation, and how much longer it may take on a machine that is busy. */
const timeout = 400;
const slack = 4000;

/** How many calls may come in a second: more is a loop without a pause. */
const mostCalls = 400;

/** A lease of the agent "a1". */
const leftover = await leaseIdFor("/foo/agent/a1");

/** What is there where nobody breaks it. */
const sound: Scripts = {
  Range: (call, request) => {
    const key = new TextDecoder().decode(request.get(1) as Uint8Array);
    const names = ["a", "b", "c"].map((name) => `/foo/service/web/${name}`);
    const found = request.has(2) ? names : names.filter((name) => name === key);
    answer([1, header()], ...found.map((name) => [2, keyValue(name, "h:1", 5, 77n)] as const))(call, request);
  },
  Txn: answer([1, header()], [2, 1]),
  LeaseLeases: answer([1, header()], [2, [[1, BigInt(leftover)]]], [2, [[1, 5]]]),
  Watch: async (call, request) => {
    if (!request.has(1)) return;
    call.send([[1, header()], [3, 1]]);
    for (let revision = 8; revision < 12; revision++) {
      await pause(20);
      call.send([[1, header(revision)], [11, [[
        2,
        keyValue("/foo/service/web/a", `h:${revision}`, revision),
      ]]]]);
    }
  },
};

/** One seed: every operation against an etcd that breaks about a third of its answers, then against one that breaks none. */
export async function fuzzAnswers(
  seed: number,
): Promise<{ calls: number; broken: number; failures: number }> {
  const random = new Random(seed);
  let broken = 0;
  const breaking = (honest: Script): Script => (call, request) => {
    if (random.next() < 0.65) return honest(call, request);
    broken++;
    honest(breakingCall(call, random), request);
  };
  await using etcd = await HostileEtcd.start(sound);
  const honest = Object.fromEntries(methods.map((method) => [method, etcd.scriptOf(method)]));
  const access = { login: { username: "u", password: "p" } };
  const open = (): Promise<Registry> =>
    openRegistry({
      endpoints: parseEndpoints(etcd.endpoint, "http"),
      treeRoot: "/foo",
      timeout,
      ...random.next() < 0.3 ? access : {},
    });
  etcd.play(Object.fromEntries(methods.map((method) => [method, breaking(honest[method] as Script)])));
  using registry = await open();
  const began = performance.now();
  const failed = await Promise.all(
    operations(registry).map(([what, operation]) => fails(`seed ${seed}: ${what}`, operation)),
  );
  const failures = failed.filter(Boolean).length;
  const calls = etcd.calls.values().reduce((sum, count) => sum + count, 0);
  if (calls > mostCalls * (1 + (performance.now() - began) / 1000)) {
    throw new Error(`seed ${seed}: ${calls} calls`);
  }
  etcd.play(honest);
  using another = await openRegistry({
    endpoints: parseEndpoints(etcd.endpoint, "http"),
    treeRoot: "/foo",
    timeout: 5000,
  });
  const { items: instances } = await another.services.list();
  if (instances.length !== 3) throw new Error(`seed ${seed}: it does not recover`);
  return { calls, broken, failures };
}

/**
 * Whether the operation fails.
 * @throws {Error} if its error is not one of ours or is worded badly, or if it takes too long
 */
async function fails(what: string, operation: () => Promise<unknown>): Promise<boolean> {
  const start = performance.now();
  const error = await operation().then(() => undefined, (reason) => reason);
  if (error !== undefined && !(error instanceof EmpusaError)) {
    throw new Error(`${what} threw ${error}`, { cause: error });
  }
  if (/undefined|NaN|\[object|etcd3|grpc/.test(error?.message ?? "")) {
    throw new Error(`${what} said ${error?.message}`);
  }
  const took = performance.now() - start;
  if (took > 2 * timeout + slack) throw new Error(`${what} took ${took} ms`);
  return error !== undefined;
}

/** What is asked of a registry, by its name. */
function operations(registry: Registry): readonly (readonly [string, () => Promise<unknown>])[] {
  const web = { type: "web", name: "a", location: "h:1" };
  const quiet = { onOutage: () => {}, onInvalid: () => {} };
  const briefly = (): AbortSignal => AbortSignal.timeout(timeout);
  return [
    ["list", async () => registry.withTtl((await registry.services.list()).items)],
    ["get", () => registry.services.get("web/a")],
    ["status", () => registry.status()],
    ["unregister", () => registry.services.remove("web/a")],
    ["set", () => registry.switches.set("x", "on", 30)],
    ["toggle", () => registry.switches.toggle("x")],
    ["register", () => registry.services.register(web, 30, { exclusive: true })],
    ["keep", async () => {
      const session = registry.services.session(30);
      session.add(web);
      const options = { every: 50, onConflict: "takeover", retryRefused: true, onEvent: () => {} } as const;
      await session.run({ ...options, signal: briefly() });
      if (session.hasLease) await session.close(timeout);
    }],
    ["keep many", async () => {
      const session = registry.services.session(30, { owner: "a1", lease: leftover });
      for (let i = 0; i < 80; i++) session.add({ ...web, name: `n${i}` });
      const options = { every: 50, onConflict: "yield", retryRefused: true, onEvent: () => {} } as const;
      await session.run({ ...options, signal: briefly() });
      await session.sweep(timeout);
    }],
    ["hand over", () => registry.agents.handOver("a1", new Map([[30, leftover]]))],
    ["take over", () => registry.agents.takeOver("a1")],
    ["remove leftovers", () => registry.agents.removeLeftovers("a1", new Set(), briefly())],
    ["watch", async () => {
      let last = 0;
      for await (
        const { kind, revision } of registry.services.watch({ types: [] }, { ...quiet, signal: briefly() })
      ) {
        if (kind === "put" && revision < last) throw new Error("events out of order");
        last = kind === "put" ? revision : 0;
      }
    }],
  ];
}

/** The ways in which an answer can be broken. */
const ways = [
  "bytes",
  "field",
  "number",
  "twice",
  "flag",
  "encoding",
  "reset",
  "status",
  "silence",
  "garbage",
] as const;

function sendBroken(
  way: typeof ways[number],
  call: Call,
  message: Message | Uint8Array,
  random: Random,
): void {
  const bytes = message instanceof Uint8Array ? message : encode(message);
  switch (way) {
    case "bytes":
      return call.send(bytes.map((byte) => random.next() < 0.1 ? Math.floor(random.next() * 256) : byte));
    case "field":
      return call.send((message as Message).filter(() => random.next() < 0.5));
    case "number":
      return call.send(withOtherNumbers(message as Message, random));
    case "twice":
      call.send(bytes);
      return call.send(bytes);
    case "flag":
    case "encoding":
      return call.send(bytes, random.oneOf([1, 2, 255]));
    case "reset":
      return call.stream.close(random.oneOf([0, 1, 2, 7, 8, 11]));
    case "garbage":
      return call.send(Uint8Array.from({ length: 40 }, () => Math.floor(random.next() * 256)));
    case "status":
      return call.end(
        random.oneOf([0, 1, 2, 3, 5, 8, 13, 14, 15, 17, "x", "-1"]),
        random.oneOf(["", "no", "%"]),
      );
    case "silence":
      return;
  }
}

/** A call that breaks what is sent on it, in one of those ways. */
function breakingCall(call: Call, random: Random): Call {
  const way = random.oneOf(ways);
  let begun = false;
  const begin = (): void => {
    if (!begun && way === "encoding") {
      call.begin({ "grpc-encoding": random.oneOf(["gzip", "deflate", "br", "?"]) });
    }
    begun = true;
  };
  return {
    ...call,
    begin,
    send: (message): void => {
      begin();
      sendBroken(way, call, message, random);
    },
    end: (status, words): void => {
      if (way !== "silence" && way !== "reset" && way !== "status") call.end(status, words);
    },
  };
}

/** The same message with other numbers in some places, at any depth. */
function withOtherNumbers(message: Message, random: Random): Message {
  return message.map(([field, value]) => {
    if (Array.isArray(value)) return [field, withOtherNumbers(value as Message, random)] as const;
    if (typeof value !== "number" && typeof value !== "bigint") return [field, value] as const;
    const other = random.oneOf([0, -1, 1, 2 ** 31, 2n ** 53n, 2n ** 63n - 1n, -(2n ** 63n), 6, 8]);
    return [field, random.next() < 0.5 ? value : other] as const;
  });
}
