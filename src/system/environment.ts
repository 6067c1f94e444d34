/** What the programs that we start find in their environment. */
import type { ChildEnvironment, System } from "./mod.ts";

/** Variables that are nobody's business. */
const secrets = ["EMPUSA_ETCD_PASSWORD"];

/** Of no use without the password, which a child that runs empusa can read only from a file. */
const withoutPassword = ["EMPUSA_ETCD_USERNAME"];

/** Ours, but for what is secret or `hidden`, and with what is added. */
export function environment(
  { env }: Pick<System, "env">,
  added: Readonly<Record<string, string>>,
  hidden: readonly string[] = [],
): ChildEnvironment {
  const useless = env("EMPUSA_ETCD_PASSWORD_FILE") ? [] : withoutPassword;
  return { added, withheld: [...secrets, ...useless, ...hidden] };
}
