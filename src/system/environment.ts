/** The environment of the programs that empusa starts. */
import type { ChildEnvironment, System } from "./mod.ts";

/** Variables that no child gets. */
const secrets = ["EMPUSA_ETCD_PASSWORD"];

/** The user name is useless without the password, which a child can read only from a file. */
const withoutPassword = ["EMPUSA_ETCD_USERNAME"];

/** Returns the own environment without secrets and `hidden` variables, and with `added` ones. */
export function environment(
  { env }: Pick<System, "env">,
  added: Readonly<Record<string, string>>,
  hidden: readonly string[] = [],
): ChildEnvironment {
  const useless = env("EMPUSA_ETCD_PASSWORD_FILE") ? [] : withoutPassword;
  return { added, withheld: [...secrets, ...useless, ...hidden] };
}
