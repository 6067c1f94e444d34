/** A registry on a hostile etcd, and many broken answers at a time. */
import { assert } from "@std/assert";
import { openRegistry, parseEndpoints, type Registry } from "../../src/registry/mod.ts";
import { answer, header, HostileEtcd, keyValue, type Script } from "./hostile_etcd.ts";
import type { Message } from "./wire.ts";

export const web = { type: "web", name: "a", location: "h:1" };

export const key = "/foo/service/web/a";

export const kv = keyValue(key);

export function open({ endpoint }: HostileEtcd, timeout = 600): Promise<Registry> {
  return openRegistry({ endpoints: parseEndpoints(endpoint, "http"), treeRoot: "/foo", timeout });
}

/** The client of etcd ends its timers and sockets in its own time. */
export function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, fn, sanitizeOps: false, sanitizeResources: false });
}

export const register = (registry: Registry): Promise<unknown> => registry.services.register(web, 5);

export const times = (registry: Registry): Promise<unknown> =>
  registry.services.register(web, 5, { exclusive: true });

/** A refused transaction that read this in its place. */
export const refused = (...ops: Message): Script =>
  answer([1, header()], ...ops.map(([, op]) => [3, op] as const));

export function grants(ttl: () => number | bigint): Script {
  return (call, request) => {
    call.send([[1, header()], [2, request.get(2) ?? 0n], [3, ttl()]]);
    call.end();
  };
}

/**
 * Does the same for many cases, which have names, as all of them mostly wait.
 * @throws {Error} naming every case that failed, and why
 */
export async function inParallel<T extends readonly [what: string, ...unknown[]]>(
  cases: readonly T[],
  check: (one: T) => Promise<void>,
): Promise<void> {
  const failures = await Promise.all(cases.map(async (one) => {
    try {
      await check(one);
      return [];
    } catch (error) {
      return [`${one[0]}: ${error}`];
    }
  }));
  const all = failures.flat();
  // One line a case, whole: a comparison of lists shows only parts of long texts.
  assert(all.length === 0, `${all.length} of ${cases.length} cases failed:\n${all.join("\n")}`);
}
