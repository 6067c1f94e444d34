/** How a command of ours is made from its settings and what it does. */
import { Command } from "@cliffy/command";
import type { ExitCode } from "../errors.ts";
import { Log } from "../log.ts";
import { openRegistry, type Registry } from "../registry/mod.ts";
import type { System } from "../system.ts";
import { connectionOf } from "./access.ts";
import { connectionSettings } from "./connection.ts";
import { type AnyCommand, declare, read, type Settings, type Values } from "./settings.ts";

/** What a command is given to work with. */
export interface Context {
  readonly system: System;
  readonly log: Log;
  /** Milliseconds for one operation. */
  readonly timeout: number;
  /** Loads the client of etcd and opens the registry; every operation on it has the timeout as its deadline. */
  readonly openRegistry: () => Promise<Registry>;
}

/** The program around the commands: what it is made of, and what a command leaves behind. */
export interface Program {
  readonly system: System;
  /** Talks as much as the command was told to, once that is known. */
  log: Log;
  /** How the command ended. */
  exitCode: number;
}

/** A title and a command line, after "empusa". */
type Example = readonly [title: string, line: string];

/** Kept apart from Cliffy, which would break the lines: an example is there to be pasted. */
const examplesOf = new WeakMap<AnyCommand, readonly Example[]>();

export interface Definition<S extends Settings, Options> {
  /** The first sentence is shown in lists. */
  readonly description: string;
  readonly examples: readonly Example[];
  readonly settings: S;
  /** @throws {UsageError} where values that are right by themselves do not go together */
  readonly options: (typed: Values<S>) => Options;
  readonly run: (options: Options, context: Context) => Promise<ExitCode>;
}

/** A command that does something: parse, then run. */
export function leaf<S extends Settings, Options>(
  program: Program,
  { description, examples, settings, options, run }: Definition<S, Options>,
): AnyCommand {
  const command: AnyCommand = new Command().description(description).usage("[options]");
  declare(command, settings);
  examplesOf.set(command, examples);
  return command.action(async (given: Record<string, unknown>) => {
    // First, so that errors in the others are told as they are to be told.
    const { logLevel: level, logFormat: format } = connectionSettings;
    program.log = new Log(program.system.stderr, read({ level, format }, given));
    // Read together, so that everything that is missing is named at once.
    const all = { ...connectionSettings, ...settings };
    const typed = read(all, given) as Values<typeof connectionSettings> & Values<S>;
    const connection = await connectionOf(typed, program.system);
    program.exitCode = await run(options(typed), {
      system: program.system,
      log: program.log,
      timeout: connection.timeout,
      openRegistry: () => openRegistry(connection),
    });
  });
}

/** A command that only holds others, and shows them when it is called by itself. */
export function group(
  program: Program,
  { description, examples, commands }: {
    readonly description: string;
    readonly examples: readonly Example[];
    readonly commands: Readonly<Record<string, AnyCommand>>;
  },
): AnyCommand {
  const command: AnyCommand = new Command().description(description).usage("<command> [options]");
  examplesOf.set(command, examples);
  command.action(() => showHelp(program, command));
  for (const [name, child] of Object.entries(commands)) {
    command.command(name, child);
    // Adding a command makes Cliffy go on with the child.
    command.reset();
  }
  return command;
}

/** Prints a command's help. */
export async function showHelp({ system }: Program, command: AnyCommand): Promise<void> {
  const colors = system.wantsColor(system.stdout);
  const text = command.getHelp({ long: true, colors }).replace(/[^\S\n]+$/gm, "").trim();
  const examples = examplesOf.get(command)?.map(([title, line]) => `  # ${title}\n  empusa ${line}\n`) ?? [];
  if (examples.length > 0) examples.unshift(colors ? "\x1b[1mExamples:\x1b[22m\n" : "Examples:\n");
  await system.stdout.write([`${text}\n`, ...examples].join("\n"));
}
