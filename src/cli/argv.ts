/** The one reading of a command line before Cliffy: its words, the values of options, and what stands behind `--`. */
import { takesCommand } from "../commands/shared/command.ts";
import { UsageError } from "../errors.ts";
import { connectionSettings } from "../settings/connection.ts";
import { type AnyCommand, bareValue, invalidValue, settingName, settingsOf } from "../settings/settings.ts";
import type { System } from "../system/mod.ts";

/**
 * Refuses what is no UTF-8, before Cliffy reads it: an argument, in which Deno puts U+FFFD for it, and a variable of the command that is
 * called.
 * @throws {UsageError} naming it
 */
export function checkEncoding(
  line: readonly string[],
  called: AnyCommand,
  { env }: Pick<System, "env">,
): void {
  const wrong = line.find((word) => word.includes("\uFFFD"));
  if (wrong !== undefined) throw invalidValue("each argument", "be UTF-8, without U+FFFD", wrong);
  for (const { names } of called.getEnvVars(true)) names.forEach(env);
}

/**
 * The line with each `--option=value` as two words, and what stands behind `--` apart. Cliffy does not know a global option by its `=`, and
 * where a value was forgotten, as in `--service-name $UNSET --ttl 30` or `--ttl=`, it takes the next word.
 * @throws {UsageError} naming the option whose value is missing
 */
export function separateValues(
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
      throw new UsageError(`${setting === undefined ? option : settingName(setting)} needs a value`);
    } else separated.push(option, value);
  }
  return { words: separated, behind: end < 0 ? undefined : args.slice(end + 1) };
}

/**
 * Checks that a command follows behind `--`, and that the called command has a use for it.
 * @throws {UsageError} if not
 */
export function checkCommandWords(words: readonly string[], called: AnyCommand): void {
  if (!takesCommand(called)) throw new UsageError('this command takes nothing after "--"');
  if (words.length === 0) throw new UsageError('a command must follow "--"');
}

/** The command that a line calls, as far as it is known. */
export function calledCommand(args: readonly string[], root: AnyCommand): AnyCommand {
  let command = root;
  for (const { word } of words(args, options(root))) {
    if (word === "--") break;
    command = (word !== undefined && command.getCommand(word, true)) || command;
  }
  return command;
}

type Words =
  /** A word by itself, and its place in the line. */
  | { readonly word: string; readonly at: number; readonly option?: never; readonly value?: never }
  | { readonly word?: never; readonly option: string; readonly value: string | undefined };

/** The words of a line that are neither an option that all commands have nor its value. */
export function bareWords(line: readonly string[]): string[] {
  return bare(line).map(({ word }) => word);
}

/** The line without its first bare word. */
export function withoutFirstWord(line: readonly string[]): string[] {
  const [first] = bare(line);
  return line.filter((_, i) => i !== first?.at);
}

function bare(line: readonly string[]): { readonly word: string; readonly at: number }[] {
  const known = new Map(
    Object.values(connectionSettings).map((
      { flag },
    ): [string, Takes] => [flag, { value: true, bare: undefined }]),
  );
  return [...words(line, known)].filter((one) => one.word !== undefined);
}

/** The words of a line, each option that takes a value together with it. */
export function* words(args: readonly string[], known: ReadonlyMap<string, Takes>): Generator<Words> {
  for (let i = 0; i < args.length; i++) {
    const word = args[i] as string;
    const [option = "", ...rest] = word.split("=");
    const takes = known.get(option);
    if (!takes?.value) yield { word, at: i };
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
