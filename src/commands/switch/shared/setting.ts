/** What the commands have in common that set a switch to a value. */
import { ExitCode, UsageError } from "../../../errors.ts";
import { maxTtl, parseSwitchValue, type Registry, type SetOutcome } from "../../../registry/mod.ts";
import type { Context } from "../../shared/command.ts";
import { wholeSeconds } from "../../../settings/connection.ts";
import { optional } from "../../../settings/settings.ts";
import { nameOf, operand } from "./operands.ts";

export const setting = {
  ttl: optional({
    flag: "--ttl",
    placeholder: "SECONDS",
    env: "EMPUSA_SWITCH_TTL",
    meaning: "Time until etcd removes it.",
    parse: wholeSeconds(maxTtl),
  }),
} as const;

export interface SetOptions {
  readonly name: string;
  /** Undefined: it is read from standard input. */
  readonly value: string | undefined;
  /** Seconds. */
  readonly ttl: number | undefined;
}

/** @throws {UsageError} where an operand is missing or breaks a rule */
export function setOptions(
  { ttl }: Pick<SetOptions, "ttl">,
  [name, value]: readonly string[],
): SetOptions {
  return {
    name: nameOf(name),
    value: value === "-" ? undefined : operand("VALUE", value, parseSwitchValue),
    ttl,
  };
}

/**
 * Sets a switch in one way or another, and reports it.
 * @throws {UsageError} where what is read from standard input is no value
 */
export async function runSetting(
  { name, value, ttl }: SetOptions,
  context: Context,
  set: (switches: Registry["switches"], value: string) => Promise<SetOutcome>,
): Promise<ExitCode> {
  const text = value ?? operand("VALUE on standard input", await fromStdin(context), parseSwitchValue);
  using registry = await context.openRegistry();
  const { granted } = await set(registry.switches, text);
  const terms = [
    granted === undefined ? "no TTL" : `TTL ${granted} s`,
    ...granted === ttl ? [] : [`etcd raised it from ${ttl} s`],
  ];
  await context.log.info(`set ${name} to ${JSON.stringify(text)}, ${terms.join(", ")}`);
  return ExitCode.done;
}

/** The line, without its end. More than any value may have is not read. */
async function fromStdin({ system }: Context): Promise<string> {
  const bytes = await system.readStdin(10_000);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes).replace(/\r?\n$/, "");
  } catch (error) {
    throw new UsageError("VALUE on standard input must be UTF-8", { cause: error });
  }
}
