import { ExitCode } from "../errors.ts";
import { resultFor } from "../system/escape.ts";
import { columns } from "../formats/columns.ts";
import { endpointObject } from "../formats/endpoints.ts";
import { type EndpointStatus, type RegistryStatus, showEndpoint } from "../registry/mod.ts";
import { withAdvice } from "../settings/advice.ts";
import { type Context, leaf, type Program } from "./shared/command.ts";
import { formatSetting } from "./shared/format.ts";
import type { AnyCommand } from "../settings/settings.ts";

const settings = { format: formatSetting(["table", "json"], "table") } as const;

export interface StatusOptions {
  readonly format: "table" | "json";
}

export function statusCommand(program: Program): AnyCommand {
  return leaf(program, {
    description: "Show the state of each endpoint. Exits with 0 only if commands would work.",
    examples: [
      ["the state of etcd", "status"],
      ["wait for etcd in a script", "status --timeout 60 >/dev/null"],
      ["the leader", "status --format json | jq -r '.endpoints[] | select(.leader) | .endpoint'"],
    ],
    settings,
    options: ({ format }): StatusOptions => ({ format }),
    run: runStatus,
  });
}

export async function runStatus({ format }: StatusOptions, context: Context): Promise<ExitCode> {
  using registry = await context.openRegistry();
  const status = await registry.status();
  const { stdout } = context.system;
  await stdout.write(
    format === "json"
      ? resultFor(stdout, json(status))
      : await table(status, context.system.wantsColor(stdout)),
  );
  if (status.endpoints.some(({ facts }) => facts !== undefined && facts.version === undefined)) {
    await context.log.info("etcd reports version, leader, size and alarms only to its user root");
  }
  const failure = status.read ?? status.write;
  if (failure !== undefined) throw failure;
  return ExitCode.done;
}

function json({ endpoints, treeRoot, read, write, services, permanent }: RegistryStatus): string {
  const result = {
    endpoints: endpoints.map((status) => {
      const { endpoint, error } = status;
      const why = error === undefined ? null : withAdvice(error.message, error.advice);
      return endpointObject(showEndpoint(endpoint), status, why);
    }),
    tree_root: shown(treeRoot),
    readable: read === undefined,
    writable: write === undefined,
    services: services ?? null,
    services_without_ttl: permanent ?? null,
  };
  return `${JSON.stringify(result, null, 2)}\n`;
}

async function table(
  { endpoints, treeRoot, read, write, services, permanent }: RegistryStatus,
  color: boolean,
): Promise<string> {
  const header = ["ENDPOINT", "STATUS", "VERSION", "LEADER", "LATENCY", "DATABASE", "ALARMS"];
  const root = [
    ["tree root", shown(treeRoot)],
    ["readable", read === undefined ? "yes" : "no"],
    ["writable", write === undefined ? "yes" : "no"],
    ["services", `${services ?? "unknown"}`],
    ["without TTL", `${permanent ?? "unknown"}`],
  ];
  const all = await columns([header, ...endpoints.map(row)], { header: true, color });
  return `${all}\n${await columns(root)}`;
}

function row({ endpoint, facts, error }: EndpointStatus): string[] {
  const name = showEndpoint(endpoint);
  if (facts === undefined) return [name, error.message, "-", "-", "-", "-", "-"];
  const { version = "-", role, hasLeader, latency, databaseSize, alarms = [] } = facts;
  return [
    name,
    role === "learner" ? "learner" : hasLeader === false ? "no leader" : "ok",
    version,
    role === undefined ? "-" : role === "leader" ? "yes" : "no",
    `${latency.toFixed(1)} ms`,
    databaseSize === undefined ? "-" : `${(databaseSize / 2 ** 20).toFixed(1)} MiB`,
    alarms.length === 0 ? "-" : alarms.join(" "),
  ];
}

/** The tree root as a person would type it. */
function shown(treeRoot: string): string {
  return treeRoot === "" ? "/" : treeRoot;
}
