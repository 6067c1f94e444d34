/** How etcd's endpoints are, as JSON has it. */
import type { EndpointStatus } from "../registry/store.ts";

/**
 * @param endpoint as people write it
 * @param error why it does not answer; null if it does
 */
export function endpointObject(
  endpoint: string,
  { facts }: Pick<EndpointStatus, "facts">,
  error: string | null,
): Record<string, unknown> {
  return {
    endpoint,
    reachable: facts !== undefined,
    version: facts?.version ?? null,
    leader: facts?.hasLeader ? facts.role === "leader" : null,
    latency_ms: facts === undefined ? null : Math.round(facts.latency * 10) / 10,
    database_bytes: facts?.databaseSize ?? null,
    alarms: facts === undefined ? [] : facts.alarms ?? null,
    error,
  };
}
