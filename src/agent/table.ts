/** What the agent keeps, as a table for people. */
import { table } from "../formats/columns.ts";
import type { KeptService } from "./kept_service.ts";

const header = ["SERVICE", "LOCATION", "STATE", "SINCE", "TTL", "SOURCE", "WHY"];

/** A row for each service: its state, since when, and why. */
export async function kept(
  services: Iterable<KeptService>,
  look: { readonly color: boolean; readonly terminal: boolean },
): Promise<string> {
  const rows = [...services].sort((a, b) => a.id < b.id ? -1 : 1).map(({ id, wanted, state, since, why }) => [
    id,
    wanted.instance.location,
    state,
    new Date(since).toISOString(),
    `${wanted.ttl}s`,
    wanted.origin,
    why === "" ? "-" : why,
  ]);
  return await table([header, ...rows], look);
}
