/** What a shell may offer for a value, from what is registered. */
import { openRegistry, parseName, type Registry } from "../registry/mod.ts";
import type { System } from "../system/mod.ts";
import { connectionOf } from "../settings/access.ts";
import { connectionSettings } from "../settings/connection.ts";
import { fromEnvironment, read, type Suggested } from "../settings/settings.ts";

/** Seconds that etcd may take to answer, including the login: a person has pressed TAB and waits. */
const patience = 0.5;

/**
 * Names that mean nothing to any shell, wherever they stand. Others are not offered: a shell would have to quote them, and what is taken for
 * quoted by mistake would be run.
 */
const harmless = /^[A-Za-z0-9_][A-Za-z0-9_.:@+\/-]*$/;

export interface Question {
  readonly what: Suggested;
  /** What it begins with. */
  readonly begin: string;
  /** Options that were typed, as `read` takes them. */
  readonly given: Readonly<Record<string, unknown>>;
  /** The type in whose names to look, if it was typed. */
  readonly type: string | undefined;
}

/** What is there, in order; nothing where that cannot be found out in time, without a word. */
export async function suggestions({ what, begin, given, type }: Question, system: System): Promise<string[]> {
  try {
    const typed = read(connectionSettings, { ...fromEnvironment(connectionSettings, system), ...given });
    const meant = type ?? (system.env("EMPUSA_SERVICE_TYPE") || undefined);
    using registry = await openRegistry(
      await connectionOf({ ...typed, timeout: patience }, system, () => {}),
    );
    const found = await namesOf(registry, what, begin, meant === undefined ? undefined : parseName(meant));
    return found.filter((name) => harmless.test(name));
  } catch {
    return [];
  }
}

function namesOf(
  { services, switches }: Registry,
  what: Suggested,
  begin: string,
  type: string | undefined,
): Promise<string[]> {
  switch (what) {
    case "type":
      return services.types(begin);
    case "name":
      return services.names(begin, type);
    case "tag":
      return services.tags(begin, type);
    case "switch":
      return switches.names(begin);
  }
}
