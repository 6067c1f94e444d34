import { switchesAsJson } from "../../formats/switches.ts";
import { type Switch, switchName } from "../../registry/mod.ts";
import type { Subject } from "../watching.ts";

/** All switches, or one, as they are followed. */
export function switches(name: string | undefined): Subject<Switch> {
  return {
    watch: (registry, options) => registry.switches.watch(name, options),
    idOf: switchName,
    compare: (a, b) => a.name < b.name ? -1 : a.name > b.name ? 1 : 0,
    plural: "switches",
    countedIn: "EMPUSA_SWITCH_COUNT",
    object: ({ name, value }) => ({ switch: name, value }),
    json: switchesAsJson,
    columns: ({ name, value }) => [name, value],
  };
}
