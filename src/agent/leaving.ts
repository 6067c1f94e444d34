/** How the agent ends: it takes its services out, each with its time to drain; or leaves them to the next agent. */
import { EmpusaError } from "../errors.ts";
import { counted } from "../formats/counted.ts";
import type { Registry } from "../registry/mod.ts";
import { formatUnregistered, formatUnregisterFailed } from "../registration/reporter.ts";
import { delay } from "../system/delay.ts";
import type { KeptService } from "./kept_service.ts";
import type { Sessions } from "./sessions.ts";
import type { AgentStatus } from "./status.ts";

export interface LeaveOptions {
  /** The name of the agent, by which the next one finds what this one leaves. */
  readonly name: string;
  /** Whether the services stay registered for their TTLs. */
  readonly keepOnExit: boolean;
  /** Milliseconds for the removal. */
  readonly removalTimeout: number;
}

export async function leave(
  registry: Registry,
  services: ReadonlyMap<string, KeptService>,
  sessions: Sessions,
  { name, keepOnExit, removalTimeout }: LeaveOptions,
  status: AgentStatus,
): Promise<void> {
  const all = [...services.values()];
  for (const service of all) service.end();
  const registered = all.filter(({ state }) => state === "registered");
  if (keepOnExit) return await keep(registry, name, registered.length, sessions, status);
  await drain(all, registered);
  await sessions.end();
  await Promise.all(
    sessions.all.filter(({ hasLease }) => hasLease).map(async (session) => {
      const failure = await session.close(removalTimeout).then(() => undefined, (error) => {
        if (error instanceof EmpusaError) return error;
        throw error;
      });
      for (const { wanted: { instance }, session: its } of registered) {
        if (its !== session) continue;
        if (failure === undefined) status.report("info", formatUnregistered(instance));
        else status.report("warn", formatUnregisterFailed(instance, session.ttl, failure));
      }
    }),
  );
}

/** Takes out those that drain, and waits until the last of them has drained; the others go at once. */
async function drain(all: readonly KeptService[], registered: readonly KeptService[]): Promise<void> {
  const drains = registered.filter(({ wanted: { drain } }) => drain > 0);
  if (drains.length === 0) return;
  for (const service of all) {
    if (drains.includes(service)) service.drain();
    else service.remove();
  }
  await Promise.all(drains.map(async (service) => {
    await delay(service.wanted.drain);
    service.remove();
  }));
}

async function keep(
  registry: Registry,
  name: string,
  count: number,
  sessions: Sessions,
  status: AgentStatus,
): Promise<void> {
  await sessions.end();
  const { leases } = sessions;
  const cannot = "cannot hand over to the next agent, which registers anew";
  try {
    const isFound = leases.size === 0 || await registry.agents.handOver(name, leases);
    if (!isFound) status.report("warn", `${cannot}: etcd denies it, or the leases have ended`);
  } catch (error) {
    if (!(error instanceof EmpusaError)) throw error;
    status.report("warn", `${cannot}: ${error.message}`);
  }
  const longest = Math.max(0, ...leases.keys());
  status.report(
    "info",
    `${counted(count, "service stays", "services stay")} registered for at most ${longest} s`,
  );
}
