/** Choosing one of several instances. */
import type { RegisteredInstance } from "./instance.ts";

export const strategies = ["random", "first", "hash"] as const;

/**
 * One of the instances, or undefined where there is none. `hash` gives the same one for the same key as long as it
 * is there, and when one goes away moves only its own keys: the highest random weight wins (Thaler and
 * Ravishankar, "Using name-based mappings to increase hit rates", 1998).
 * @param key what `hash` goes by
 */
export async function pick(
  instances: readonly RegisteredInstance[],
  strategy: typeof strategies[number],
  key: string,
): Promise<RegisteredInstance | undefined> {
  switch (strategy) {
    case "first":
      return instances[0];
    case "random":
      return instances[Math.floor(Math.random() * instances.length)];
    case "hash": {
      const weighed = await Promise.all(instances.map(async (instance) => ({
        instance,
        weight: await weight(`${key}\0${instance.type}/${instance.name}`),
      })));
      return weighed.reduce<typeof weighed[number] | undefined>(
        (best, one) => best === undefined || one.weight > best.weight ? one : best,
        undefined,
      )?.instance;
    }
  }
}

async function weight(text: string): Promise<bigint> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return new DataView(digest).getBigUint64(0);
}
