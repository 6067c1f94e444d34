import { ExitCode, UsageError } from "../../errors.ts";
import { parseSwitchValue } from "../../registry/mod.ts";
import { type Context, leaf, type Program } from "../command.ts";
import { maxTtl, wholeSeconds } from "../connection.ts";
import { type AnyCommand, optional } from "../settings.ts";
import { nameOf, operand, switchNames } from "./operands.ts";

const settings = {
  ttl: optional({
    flag: "--ttl",
    placeholder: "SECONDS",
    env: "EMPUSA_SWITCH_TTL",
    meaning: "Remove it after this time.",
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

export function setSwitchCommand(program: Program): AnyCommand {
  return leaf(program, {
    description: "Set a switch to a value of one line. Without --ttl it stays, whatever it had before.",
    examples: [
      ["for good", "switch set maintenance yes"],
      ["for an hour", "switch set maintenance yes --ttl 3600"],
      ["from standard input", "git rev-parse HEAD | empusa switch set release -", "shell"],
    ],
    settings,
    operands: "<name> <value>",
    suggestions: switchNames,
    options: ({ ttl }, [name, value]): SetOptions => ({
      name: nameOf(name),
      value: value === "-" ? undefined : operand("VALUE", value, parseSwitchValue),
      ttl,
    }),
    run: runSet,
  });
}

/** @throws {UsageError} where what is read from standard input is no value */
export async function runSet({ name, value, ttl }: SetOptions, context: Context): Promise<ExitCode> {
  const text = value ?? operand("VALUE on standard input", await fromStdin(context), parseSwitchValue);
  using registry = await context.openRegistry();
  const granted = await registry.switches.set(name, text, ttl);
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
