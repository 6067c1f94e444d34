/** What the programs that we start find in their environment. */
import type { ChildEnvironment } from "../system.ts";

/** Variables that are nobody's business. */
const secrets = ["EMPUSA_ETCD_PASSWORD"];

/** Ours, but for what is secret or `hidden`, and with what is added. */
export function environment(
  added: Readonly<Record<string, string>>,
  hidden: readonly string[] = [],
): ChildEnvironment {
  return { added, withheld: [...secrets, ...hidden] };
}
