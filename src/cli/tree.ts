/** The command line: the tree of all commands, and the words that are looked up in it. */
import { ValidationError } from "@cliffy/command";
import { group, literalOperand, type Program, showHelp, takesCommand } from "../commands/shared/command.ts";
import { completionsCommand } from "../commands/completions.ts";
import { connectionSettings } from "../settings/connection.ts";
import { exportCommand } from "../commands/service/export.ts";
import { getCommand } from "../commands/service/get.ts";
import { listCommand } from "../commands/service/list.ts";
import { pickCommand } from "../commands/service/pick.ts";
import { registerCommand } from "../commands/service/register.ts";
import { runCommand } from "../commands/service/run.ts";
import { unregisterCommand } from "../commands/service/unregister.ts";
import { waitCommand } from "../commands/service/wait.ts";
import { watchCommand } from "../commands/service/watch.ts";
import { importCommand } from "../commands/import.ts";
import { statusCommand } from "../commands/status.ts";
import { casSwitchCommand } from "../commands/switch/cas.ts";
import { getSwitchCommand } from "../commands/switch/get.ts";
import { listSwitchesCommand } from "../commands/switch/list.ts";
import { removeSwitchCommand } from "../commands/switch/remove.ts";
import { setSwitchCommand } from "../commands/switch/set.ts";
import { testSwitchCommand } from "../commands/switch/test.ts";
import { toggleSwitchCommand } from "../commands/switch/toggle.ts";
import { waitForSwitchCommand } from "../commands/switch/wait.ts";
import { watchSwitchesCommand } from "../commands/switch/watch.ts";
import { type AnyCommand, bareValue, declare, mustBe, named, settingsOf } from "../settings/settings.ts";
import { UsageError } from "../errors.ts";
import { isNear } from "./spelling.ts";
import type { System } from "../system/mod.ts";
import { version, versionText } from "./version.ts";

/**
 * Carries out a command line.
 * @throws {UsageError} where it cannot be understood; the hint says where to read on
 * @throws what the command throws
 */
export async function carryOut(args: readonly string[], program: Program): Promise<void> {
  // "empusa help service" is what many would type first.
  const line = args[0] === "help" ? [...args.slice(1), "--help"] : args;
  const root = rootCommand(program, line);
  try {
    const called = calledCommand(line, root);
    checkEncoding(line, called, program.system);
    const { words, behind } = separateValues(line, root, called);
    if (behind !== undefined && called.hasArguments() && !takesCommand(called)) {
      words.push(...behind.map(literalOperand));
    } else if (behind !== undefined) program.command = following(behind, called);
    await root.parse(words);
  } catch (error) {
    const usage = error instanceof ValidationError ? new UsageError(asOurs(error.message)) : error;
    if (usage instanceof UsageError) {
      const called = calledCommand(line, root);
      const loose = takesCommand(called) && !line.includes("--") && usage.message.includes("arguments");
      const behind = loose ? 'A command is given behind "--". ' : "";
      usage.hint = `${behind}See "${called.getPath()} --help"`;
    }
    throw usage;
  }
}

/**
 * The tree of all commands; or of those alone that a line has to do with, as it takes a while to build them all.
 */
export function rootCommand(program: Program, line?: readonly string[]): AnyCommand {
  const path = line === undefined || line.includes("completions") ? undefined : bareWords(line);
  const register = "service register --service-type web --service-name web-1 --service-location 10.0.0.7:80";
  const root = group(program, path, {
    description: "A service registry on top of etcd.",
    examples: [
      ["say where the registry is", "--etcd-endpoint localhost:2379 --tree-root /prod service list"],
      ["register an instance for 30 seconds", `${register} --ttl 30`],
    ],
    commands: {
      service: (path) =>
        group(program, path, {
          description: "Register, unregister and find services.",
          examples: [
            ["keep an instance registered while this runs", `${register} --ttl 30 --refresh-every 10`],
            ["list all instances", "service list"],
          ],
          commands: {
            run: () => runCommand(program),
            register: () => registerCommand(program),
            unregister: () => unregisterCommand(program),
            list: () => listCommand(program),
            get: () => getCommand(program),
            pick: () => pickCommand(program),
            wait: () => waitCommand(program),
            watch: () => watchCommand(program),
            export: () => exportCommand(program),
          },
        }),
      switch: (path) =>
        group(program, path, {
          description: "Set and read switches: small shared values beside the services.",
          examples: [
            ["turn a switch on", "switch set maintenance yes"],
            ["use it in a script", "if empusa switch test maintenance; then exit; fi", "shell"],
          ],
          commands: {
            set: () => setSwitchCommand(program),
            cas: () => casSwitchCommand(program),
            get: () => getSwitchCommand(program),
            test: () => testSwitchCommand(program),
            toggle: () => toggleSwitchCommand(program),
            remove: () => removeSwitchCommand(program),
            list: () => listSwitchesCommand(program),
            watch: () => watchSwitchesCommand(program),
            wait: () => waitForSwitchCommand(program),
          },
        }),
      status: () => statusCommand(program),
      import: () => importCommand(program),
    },
  });
  root.command("completions", completionsCommand(program))
    .reset()
    .name("empusa")
    .version(version)
    .versionOption("-V, --version", "Show the version.", {
      standalone: true,
      action: () => program.system.stdout.write(versionText()),
    })
    .helpOption("-h, --help", "Show this help.", {
      standalone: true,
      global: true,
      action(this: AnyCommand): Promise<void> {
        return showHelp(program, this);
      },
    })
    .noExit();
  declare(root, connectionSettings, { global: true, title: "Connection options" });
  return root;
}

/**
 * Refuses what is no UTF-8, before Cliffy reads it: an argument, in which Deno puts U+FFFD for it, and a variable of the command that is
 * called.
 * @throws {UsageError} naming it
 */
function checkEncoding(line: readonly string[], called: AnyCommand, { env }: Pick<System, "env">): void {
  const wrong = line.find((word) => word.includes("\uFFFD"));
  if (wrong !== undefined) throw mustBe("each argument", "be UTF-8, without U+FFFD", wrong);
  for (const { names } of called.getEnvVars(true)) names.forEach(env);
}

/**
 * The line with each `--option=value` as two words, and what stands behind `--` apart. Cliffy does not know a global option by its `=`, and
 * where a value was forgotten, as in `--service-name $UNSET --ttl 30` or `--ttl=`, it takes the next word.
 * @throws {UsageError} naming the option whose value is missing
 */
function separateValues(
  args: readonly string[],
  root: AnyCommand,
  called: AnyCommand,
): { readonly words: string[]; readonly behind: readonly string[] | undefined } {
  const known = options(root);
  const separated: string[] = [];
  const end = args.indexOf("--");
  const line = end < 0 ? args : args.slice(0, end);
  for (const { word, option, value } of words(line, known)) {
    if (option === undefined) separated.push(word);
    else if (value === undefined || value === "" || value === "--help" || known.has(value)) {
      const setting = settingsOf(called).find(({ flag }) => flag === option);
      throw new UsageError(`${setting === undefined ? option : named(setting)} needs a value`);
    } else separated.push(option, value);
  }
  return { words: separated, behind: end < 0 ? undefined : args.slice(end + 1) };
}

/**
 * What stands behind `--`, for a command that has a use for it.
 * @throws {UsageError} for one that has none, and where nothing stands there
 */
function following(words: readonly string[], called: AnyCommand): readonly string[] {
  if (!takesCommand(called)) throw new UsageError('there is nothing that could follow "--"');
  if (words.length === 0) throw new UsageError('a command must follow "--"');
  return words;
}

/** The command of ours that a line calls, as far as it is known. */
export function calledCommand(args: readonly string[], root: AnyCommand): AnyCommand {
  let command = root;
  for (const { word } of words(args, options(root))) {
    if (word === "--") break;
    command = (word !== undefined && command.getCommand(word, true)) || command;
  }
  return command;
}

type Words =
  | { readonly word: string; readonly option?: never; readonly value?: never }
  | { readonly word?: never; readonly option: string; readonly value: string | undefined };

/** The words of a line that are neither an option that all commands have nor its value. */
function bareWords(line: readonly string[]): string[] {
  const known = new Map(
    Object.values(connectionSettings).map((
      { flag },
    ): [string, Takes] => [flag, { value: true, bare: undefined }]),
  );
  return [...words(line, known)].flatMap(({ word }) => word ?? []);
}

/** The words of a line, each option that takes a value together with it. */
export function* words(args: readonly string[], known: ReadonlyMap<string, Takes>): Generator<Words> {
  for (let i = 0; i < args.length; i++) {
    const word = args[i] as string;
    const [option = "", ...rest] = word.split("=");
    const takes = known.get(option);
    if (!takes?.value) yield { word };
    else if (rest.length > 0) yield { option, value: rest.join("=") };
    else if (takes.bare === undefined || args[i + 1]?.startsWith("-") === false) {
      yield { option, value: args[++i] };
    } else yield { option, value: takes.bare };
  }
}

/** Whether an option takes a value; and what it says without one, where it need not have one. */
interface Takes {
  readonly value: boolean;
  readonly bare: string | undefined;
}

/** Every option of a command and of those below it. */
export function options(command: AnyCommand): Map<string, Takes> {
  const own = command.getOptions(true).flatMap(({ flags, args }) =>
    flags.map((flag): [string, Takes] => [flag, { value: args.length > 0, bare: bareValue(command, flag) }])
  );
  return new Map([...own, ...command.getCommands(true).flatMap((child) => [...options(child)])]);
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
