/** What the programs that we start find in their environment. */
import type { System } from "../system.ts";

/** Variables that are nobody's business. */
const secrets = ["EMPUSA_ETCD_PASSWORD"];

/** Ours, but for what is secret or `hidden`, and with what is added. */
export function environment(
  system: Pick<System, "allEnv">,
  added: Readonly<Record<string, string>>,
  hidden: readonly string[] = [],
): Record<string, string> {
  const ours = Object.entries(system.allEnv()).filter(([name]) => ![...secrets, ...hidden].includes(name));
  return { ...Object.fromEntries(ours), ...added };
}
