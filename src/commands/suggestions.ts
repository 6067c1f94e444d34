/** What a shell may offer for a value, from what is registered. */
import { openRegistry, type Registry } from "../registry/mod.ts";
import type { System } from "../system.ts";
import { connectionOf } from "./access.ts";
import { connectionSettings } from "./connection.ts";
import { fromEnvironment, read } from "./settings.ts";

/** How long somebody waits who has pressed TAB, from the start of the process, in milliseconds. */
const patience = 80;

/**
 * The types that are registered; or the names, those of EMPUSA_SERVICE_TYPE where that is set; or the switches. Only the environment says
 * where etcd is: a shell does not tell what was typed. Nothing where that cannot be found out in time, without a word.
 */
export async function suggestions(what: "type" | "name" | "switch", system: System): Promise<string[]> {
  try {
    const typed = read(connectionSettings, fromEnvironment(connectionSettings, system));
    const timeout = Math.max(patience - performance.now(), 30) / 1000;
    using registry = await openRegistry(await connectionOf({ ...typed, timeout }, system, () => {}));
    // A shell would take what has blanks in it for several.
    return [...new Set(await words(what, registry, system))].filter((word) => !/[\s'"\\$`]/.test(word));
  } catch {
    return [];
  }
}

async function words(
  what: "type" | "name" | "switch",
  registry: Registry,
  system: System,
): Promise<string[]> {
  if (what === "switch") return (await registry.switches.list()).switches.map(({ name }) => name);
  const type = what === "name" ? system.env("EMPUSA_SERVICE_TYPE") : undefined;
  const { instances } = await registry.list({ types: type ? [type] : [] });
  return instances.map((instance) => instance[what]);
}
