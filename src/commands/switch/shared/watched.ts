import { switchesAsJson } from "../../../formats/switches.ts";
import { type Switch, switchName, type SwitchSelection } from "../../../registry/mod.ts";
import type { WatchedResource } from "../../shared/watching.ts";

/** The switches of a selection, as they are followed. */
export function switches(selection: SwitchSelection): WatchedResource<Switch> {
  return {
    watch: (registry, options) => registry.switches.watch(selection, options),
    idOf: switchName,
    compare: (a, b) => a.name < b.name ? -1 : a.name > b.name ? 1 : 0,
    plural: "switches",
    countedIn: "EMPUSA_SWITCH_COUNT",
    object: ({ name, value }) => ({ switch: name, value }),
    json: switchesAsJson,
    columns: ({ name, value }) => [name, value],
  };
}
