/** What a command that fails says: a line and its exit code; and the advice that the lines end with. */
import { assert, assertEquals } from "@std/assert";
import { empusa } from "./in_process.ts";
import type { Env, Outcome } from "./program.ts";

export const endpointCheck = "check --etcd-endpoint (EMPUSA_ETCD_ENDPOINT) and whether etcd runs there";

export const healthCheck = "check whether etcd and the network to it are well";

export const protocolCheck =
  "check --etcd-protocol (EMPUSA_ETCD_PROTOCOL), or the scheme of --etcd-endpoint (EMPUSA_ETCD_ENDPOINT)";

export const certificateCheck = "check --etcd-cert (EMPUSA_ETCD_CERT) and --etcd-key (EMPUSA_ETCD_KEY)";

export const credentialsCheck =
  "check --etcd-username (EMPUSA_ETCD_USERNAME) and --etcd-password (EMPUSA_ETCD_PASSWORD) " +
  "or --etcd-password-file (EMPUSA_ETCD_PASSWORD_FILE)";

export function list(endpoint: string, env: Env = {}): Promise<Outcome> {
  const ours = { EMPUSA_ETCD_ENDPOINT: endpoint, EMPUSA_TREE_ROOT: "/foo", EMPUSA_TIMEOUT: "2" };
  return empusa(["service", "list"], { ...ours, ...env });
}

export function failed({ code, stdout, stderr, took }: Outcome, expected: number, message: string): void {
  assertEquals({ code, stdout, stderr }, { code: expected, stdout: "", stderr: `empusa: ${message}\n` });
  assert(took < 5000, `it took ${took} ms with a timeout of 2 s`);
}
