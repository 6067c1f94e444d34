/** From a command line to the exit code of the command that it calls. */
import { ValidationError } from "@cliffy/command";
import { type Invocation, literalOperand, takesCommand } from "../commands/shared/command.ts";
import { ExitCode, UsageError } from "../errors.ts";
import type { Log } from "../system/log.ts";
import type { System } from "../system/mod.ts";
import {
  bareWords,
  calledCommand,
  checkCommandWords,
  checkEncoding,
  separateValues,
  withoutFirstWord,
} from "./argv.ts";
import { isNear } from "./spelling.ts";
import { rootCommand } from "./tree.ts";

/**
 * Runs the command that a line calls.
 * @returns its exit code; 0 if the line only asks for help or the version
 * @throws {UsageError} if the line cannot be understood; the hint says where to read on
 * @throws what the command throws
 */
export async function invoke(
  args: readonly string[],
  program: { readonly system: System; readonly log: Log },
): Promise<number> {
  const line = withoutHelp(args);
  let invocation: Invocation | undefined;
  const root = rootCommand({ ...program, onCall: (called) => invocation = called }, line);
  try {
    const called = calledCommand(line, root);
    checkEncoding(line, called, program.system);
    const { words, behind = [] } = separateValues(line, root, called);
    const isOperands = called.hasArguments() && !takesCommand(called);
    if (isOperands) words.push(...behind.map(literalOperand));
    else if (line.includes("--")) checkCommandWords(behind, called);
    await root.parse(words);
    return await invocation?.(isOperands ? [] : behind) ?? ExitCode.done;
  } catch (error) {
    const usage = error instanceof ValidationError ? new UsageError(asOurs(error.message)) : error;
    if (usage instanceof UsageError) {
      const called = calledCommand(line, root);
      const loose = takesCommand(called) && !line.includes("--") && usage.message.includes("arguments");
      const behind = loose ? 'Give the command after "--". ' : "";
      usage.hint = `${behind}See "${called.getPath()} --help"`;
    }
    throw usage;
  }
}

/** The line with --help in place of the command help: "empusa help service" is what many would type first. */
function withoutHelp(args: readonly string[]): readonly string[] {
  return bareWords(args)[0] === "help" ? [...withoutFirstWord(args), "--help"] : args;
}

/**
 * Cliffy's message in the form of ours: no capital, no full stop, and nothing for a reader to choose from. What it thinks was meant is left
 * out where that is far from what was typed.
 */
function asOurs(text: string): string {
  const [, unknown, typed = "", meant = ""] =
    /^(Unknown \w+ "(.*)"\.) Did you mean \w+ "(.*)"\?$/s.exec(text) ?? [];
  const message = unknown === undefined || isNear(typed, meant) ? text : unknown;
  return message.charAt(0).toLowerCase() +
    message.slice(1).replace(/\.$/, "").replace("(s)", "").replaceAll("\0", "");
}
