/** How switches are printed. */
import type { Switch } from "../registry/switches.ts";
import { type Look, tabular } from "./columns.ts";
import { jsonArray } from "./json.ts";

/** One array, an object a switch; `ttl` is whole seconds that are left, or null where it stays. */
export function switchesAsJson(switches: readonly Switch[]): string {
  return jsonArray(switches.map(({ name, value, ttl }) => ({ switch: name, value, ttl })));
}

export const switchFormats = {
  table: (switches: readonly Switch[], look: Look): Promise<string> =>
    tabular(
      ["SWITCH", "VALUE", "TTL"],
      switches.map(({ name, value, ...times }) => [name, value, times]),
      look,
    ),
  json: switchesAsJson,
} as const;
