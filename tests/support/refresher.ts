/** The instance of the original's example, and a refresher of it. */
import { assertEquals } from "@std/assert";
import { Etcd } from "./etcd.ts";
import { pause } from "./pause.ts";
import { connect, type Outcome, registerWeb, type Running, start } from "./program.ts";

export const root = "/foo";

export const named = ["--service-type", "type-of-service", "--service-name", "name-of-the-service-instance"];

export const keys = (etcd: Etcd): Promise<string> => etcd.etcdctl("get", "--prefix", root);

/** A refresher of the original's example that has registered. */
export async function refreshing(etcd: Etcd, ...options: string[]): Promise<Running> {
  const args = ["service", "register", ...named, "--service-location", "h:1", ...options];
  const refresher = start(args, connect(etcd));
  await refresher.said("registered");
  return refresher;
}

export function done(outcome: Outcome, stderr: string, stdout = ""): void {
  const { code } = outcome;
  assertEquals({ code, stdout: outcome.stdout, stderr: outcome.stderr }, { code: 0, stdout, stderr });
}

/** Starts a refresher of web/a, and resolves half a second after it has registered. */
export async function startRefresher(endpoint: string, ttl: number): Promise<Running> {
  const running = start(
    [...registerWeb, "--ttl", `${ttl}`, "--refresh-every", "auto"],
    connect({ endpoint }),
  );
  await running.said("registered web/a");
  await pause(500);
  return running;
}
