/** Choosing one of several instances. */
import type { RegisteredInstance } from "./instance.ts";
import { noMetadata } from "./metadata.ts";

export const strategies = ["random", "first", "hash"] as const;

/**
 * One of the instances, or undefined where there is none, each as often as its weight says. `hash` gives the same one for
 * the same key as long as it is there, and when one goes away moves only its own keys: the highest random weight wins
 * (Thaler and Ravishankar, "Using name-based mappings to increase hit rates", 1998), here with the weights of the instances
 * (Schindelhauer and Schomaker, "Weighted distributed hash tables", 2005).
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
      return atRandom(instances);
    case "hash": {
      const weighed = await Promise.all(instances.map(async (instance) => ({
        instance,
        score: weightOf(instance) / -Math.log(await fraction(`${key}\0${instance.type}/${instance.name}`)),
      })));
      return weighed.reduce<typeof weighed[number] | undefined>(
        (best, one) => best === undefined || one.score > best.score ? one : best,
        undefined,
      )?.instance;
    }
  }
}

function weightOf({ metadata }: RegisteredInstance): number {
  return metadata?.weight ?? noMetadata.weight;
}

function atRandom(instances: readonly RegisteredInstance[]): RegisteredInstance | undefined {
  const total = instances.reduce((sum, instance) => sum + weightOf(instance), 0);
  let left = Math.random() * total;
  return instances.find((instance) => (left -= weightOf(instance)) < 0) ?? instances.at(-1);
}

/** A number between 0 and 1, neither of them included, that looks random and follows from the text. */
async function fraction(text: string): Promise<number> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return (Number(new DataView(digest).getBigUint64(0) >> 12n) + 0.5) / 2 ** 52;
}
