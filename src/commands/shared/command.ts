/** How a command is made from its settings and its function. */
import { Command } from "@cliffy/command";
import { UsageError } from "../../errors.ts";
import type { Log } from "../../system/log.ts";
import { type Access, type Endpoint, openRegistry, type Registry } from "../../registry/mod.ts";
import type { System } from "../../system/mod.ts";
import { accessOf, connectionOf } from "../../settings/access.ts";
import { connectionSettings } from "../../settings/connection.ts";
import {
  type AnyCommand,
  declare,
  read,
  type Settings,
  type Suggested,
  type Values,
} from "../../settings/settings.ts";

/** What a command is given to work with. */
export interface Context {
  readonly system: System;
  readonly log: Log;
  /** Milliseconds for one operation. */
  readonly timeout: number;
  /** Where etcd is, and the path under which everything is stored, `/` as the empty string. */
  readonly endpoints: readonly Endpoint[];
  readonly treeRoot: string;
  /** What stands behind `--` on the command line; empty where there is nothing. */
  readonly command: readonly string[];
  /**
   * How to talk to endpoints that need not be those of the registry, by the same settings.
   * @throws {UsageError} where the settings do not fit them
   */
  readonly accessTo: (endpoints: readonly Endpoint[]) => Promise<Access>;
  /** Loads the client of etcd and opens the registry; every operation on it has the timeout as its deadline. */
  readonly openRegistry: () => Promise<Registry>;
}

/** Runs a command with the words behind `--`. Resolves to its exit code. */
export type Invocation = (words: readonly string[]) => Promise<number>;

/** The program around the commands. */
export interface Program {
  readonly system: System;
  readonly log: Log;
  /** Takes the command that was called, with its options and operands. */
  readonly onCall: (invocation: Invocation) => void;
}

/** A title and a command line: after "empusa", or one of the shell's in which that is only a part. */
type Example = readonly [title: string, line: string, of?: "shell"];

/** Kept apart from Cliffy, which would break the lines: an example is there to be pasted. */
const examplesOf = new WeakMap<AnyCommand, readonly Example[]>();

/** The examples of a command, as they are typed. */
export function commandLinesOf(command: AnyCommand): readonly (readonly [title: string, line: string])[] {
  return (examplesOf.get(command) ?? []).map(([title, line, of]) =>
    [title, of === "shell" ? line : `empusa ${line}`] as const
  );
}

export interface Definition<S extends Settings, Options> {
  /** The first sentence is shown in lists. */
  readonly description: string;
  readonly examples: readonly Example[];
  readonly settings: S;
  /** What stands on the command line beside the options, as Cliffy has it: `<name> [value]`. */
  readonly operands?: string;
  /** What of the registry a shell may offer for the first of them. */
  readonly suggests?: Suggested;
  /** Whether a command may follow behind `--`. */
  readonly takesCommand?: boolean;
  /** @throws {UsageError} where operands break a rule, or values that are right by themselves do not go together */
  readonly options: (typed: Values<S>, operands: readonly string[]) => Options;
  readonly run: (options: Options, context: Context) => Promise<number>;
}

const takers = new WeakSet<AnyCommand>();

/** Whether a command may follow this one behind `--`. */
export function takesCommand(command: AnyCommand): boolean {
  return takers.has(command);
}

/** Marks an operand that stands behind `--`. No argument can hold it. */
const literalMark = "\0";

/** A word behind `--` as an operand, which Cliffy takes for no option whatever it begins with. */
export function literalOperand(word: string): string {
  return `${literalMark}${word}`;
}

/**
 * Operands as they were typed.
 * @throws {UsageError} for an unknown option, which Cliffy takes for an operand if one may be left out
 */
function typedOperands(operands: readonly string[]): string[] {
  const unknown = operands.find((operand) => operand.startsWith("--"));
  if (unknown !== undefined) throw new UsageError(`unknown option ${JSON.stringify(unknown)}`);
  return operands.map((operand) => operand.replace(literalMark, ""));
}

const suggesting = new WeakMap<AnyCommand, Suggested>();

/** What of the registry may be offered for the first operand of a command. */
export function suggestedOperand(command: AnyCommand): Suggested | undefined {
  return suggesting.get(command);
}

/** A command that does something: it is parsed by Cliffy, then run as an invocation. */
export function leaf<S extends Settings, Options>(
  program: Program,
  definition: Definition<S, Options>,
): AnyCommand {
  const { description, examples, settings, operands, suggests, takesCommand = false } = definition;
  const usage = [
    ...operands === undefined ? [] : [operands],
    takesCommand ? "[options] -- [command...]" : "[options]",
  ].join(" ");
  const command: AnyCommand = new Command().description(description).usage(usage);
  if (operands !== undefined) command.arguments(operands.replace(/\w+/g, "$&:string"));
  if (suggests !== undefined) suggesting.set(command, suggests);
  declare(command, settings);
  examplesOf.set(command, examples);
  if (takesCommand) takers.add(command);
  return command.action((given: Record<string, unknown>, ...operands: string[]) => {
    program.onCall((words) => invoke(program, definition, { given, operands, words }));
  });
}

/** What Cliffy found on the command line and in the environment, and what stands behind `--`. */
interface Found {
  readonly given: Readonly<Record<string, unknown>>;
  readonly operands: readonly string[];
  readonly words: readonly string[];
}

async function invoke<S extends Settings, Options>(
  { system, log }: Program,
  { settings, options, run }: Definition<S, Options>,
  { given, operands, words }: Found,
): Promise<number> {
  // First, so that errors in the other settings are logged as asked.
  const { logLevel: level, logFormat: format } = connectionSettings;
  log.configure(read({ level, format }, given));
  // Read together, so that one error names everything that is missing.
  const all = { ...connectionSettings, ...settings };
  const typed = read(all, given) as Values<typeof connectionSettings> & Values<S>;
  const connection = await connectionOf(typed, system, (message) => void log.warn(message));
  return await run(options(typed, typedOperands(operands)), {
    system,
    log,
    command: words,
    timeout: connection.timeout,
    endpoints: connection.endpoints,
    treeRoot: connection.treeRoot,
    accessTo: (endpoints) => accessOf(typed, endpoints, system),
    openRegistry: () => openRegistry({ ...connection, by: () => `${system.hostname()} ${system.pid}` }),
  });
}

/** Makes a command. A group gets the words after its own name, or undefined to make all of its commands. */
type Maker = (path: readonly string[] | undefined) => AnyCommand;

/**
 * A command that only holds others, and shows them when it is called by itself.
 * @param path the words that may name one of them, which is the only one that is made then; undefined to make all
 */
export function group(
  program: Program,
  path: readonly string[] | undefined,
  { description, examples, commands }: {
    readonly description: string;
    readonly examples: readonly Example[];
    readonly commands: Readonly<Record<string, Maker>>;
  },
): AnyCommand {
  const command: AnyCommand = new Command().description(description).usage("<command> [options]");
  examplesOf.set(command, examples);
  command.action(() => showHelp(program, command));
  const called = path?.findIndex((word) => Object.hasOwn(commands, word)) ?? -1;
  for (const [name, make] of Object.entries(commands)) {
    if (called >= 0 && name !== path?.[called]) continue;
    command.command(name, make(called < 0 ? undefined : path?.slice(called + 1)));
    // Adding a command makes Cliffy go on with the child.
    command.reset();
  }
  return command;
}

/** Prints a command's help. */
export async function showHelp({ system }: Program, command: AnyCommand): Promise<void> {
  const colors = system.wantsColor(system.stdout);
  const text = command.getHelp({ long: true, colors }).replace(/[^\S\n]+$/gm, "").trim();
  const examples = commandLinesOf(command).map(([title, line]) => `  # ${title}\n  ${line}\n`);
  if (examples.length > 0) examples.unshift(colors ? "\x1b[1mExamples:\x1b[22m\n" : "Examples:\n");
  await system.stdout.write([`${text}\n`, ...examples].join("\n"));
}
