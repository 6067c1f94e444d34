/** What a shell is to offer for the word that is being typed: the answer to the scripts of `empusa completions`. */
import { calledCommand, options, words } from "./argv.ts";
import { rootCommand } from "./tree.ts";
import { type Program, suggestedOperand, takesCommand } from "../commands/shared/command.ts";
import {
  type AnyCommand,
  optionName,
  type Setting,
  settingsOf,
  type Suggested,
} from "../settings/settings.ts";
import { suggestions } from "./suggestions.ts";
import { isExpanded, splitLine } from "./typed_line.ts";

/** A word, and what it means. */
type Candidate = readonly [word: string, meaning?: string];

/** What may follow: certain words, a file, or a command. */
type Offer = readonly Candidate[] | "files" | "commands";

/** What was typed before the word. */
interface Typed {
  readonly called: AnyCommand;
  /** The values of options, by their flags. */
  readonly given: ReadonlyMap<string, readonly string[]>;
  /** The option whose value is being typed. */
  readonly pending: string | undefined;
  /** How many words stand beside the options, those that name commands left out. */
  readonly operands: number;
}

/**
 * Prints what is to be offered, the word that is typed, and a line for each candidate with what it means behind a TAB.
 * @param args the shell; then for bash the line up to the cursor, for others the words behind the program's name
 */
export async function complete([shell, ...rest]: readonly string[], program: Program): Promise<void> {
  const line = shell === "bash" ? splitLine(rest[0] ?? "").slice(1) : rest;
  const typed = line.slice(0, -1);
  const word = shell === "fish" ? splitLine(line.at(-1) ?? "").join(" ") : line.at(-1) ?? "";
  const found = await offer(typed[0] === "help" ? typed.slice(1) : typed, word, program);
  // deno-lint-ignore no-control-regex -- what would be taken for several lines
  if (/[\x00-\x1f\x7f]/.test(word)) return;
  const kind = typeof found === "string" ? found : "words";
  const candidates = typeof found === "string" ? [] : found.filter(([text]) => text.startsWith(word));
  const lines = candidates.map(([text, meaning = ""]) => meaning === "" ? text : `${text}\t${meaning}`);
  await program.system.stdout.write(`${[kind, word, ...lines].join("\n")}\n`);
}

async function offer(line: readonly string[], word: string, program: Program): Promise<Offer> {
  const end = line.indexOf("--");
  const typed = readTyped(end < 0 ? line : line.slice(0, end), program);
  if (end >= 0 && takesCommand(typed.called)) return line.length - end === 1 ? "commands" : "files";
  if (typed.pending !== undefined) return await values(typed.pending, word, "", typed, program);
  if (end < 0 && word.startsWith("-")) {
    const [flag = "", ...value] = word.split("=");
    return value.length > 0 ? await values(flag, value.join("="), `${flag}=`, typed, program) : flags(typed);
  }
  const { called, operands } = typed;
  const commands = called.getCommands().map((command): Candidate => [
    command.getName(),
    command.getShortDescription(),
  ]);
  if (commands.length > 0) return commands;
  const what = suggestedOperand(called);
  if (what !== undefined && operands === 0) return await registered(what, word, "", typed, program);
  return word === "" && end < 0 ? flags(typed) : [];
}

function readTyped(line: readonly string[], program: Program): Typed {
  const root = rootCommand(program, line);
  const given = new Map<string, readonly string[]>();
  let pending: string | undefined;
  let operands = 0;
  let command = root;
  for (const { word, option, value } of words(line, options(root))) {
    if (option !== undefined) {
      if (value === undefined) pending = option;
      else given.set(option, [...given.get(option) ?? [], value]);
    } else if (word.startsWith("-")) given.set(word, []);
    else {
      const child = command.getCommand(word, true);
      if (child === undefined) operands++;
      command = child ?? command;
    }
  }
  return { called: calledCommand(line, root), given, pending, operands };
}

/** The options that may still be given. */
function flags({ called, given }: Typed): Candidate[] {
  const settings = settingsOf(called);
  const again = (flag: string): boolean => {
    const setting = settings.find((setting) => setting.flag === flag);
    return !given.has(flag) || setting?.repeatable === true || setting?.listed === true;
  };
  return called.getOptions().flatMap(({ flags, description }) =>
    flags.filter((flag) => flag.startsWith("--") && again(flag)).map((flag): Candidate => [
      flag,
      description.replace(/\. \(.*$/s, ""),
    ])
  );
}

/** The values of an option. `head` is what stands before the value in the same word. */
async function values(
  flag: string,
  word: string,
  head: string,
  typed: Typed,
  program: Program,
): Promise<Offer> {
  const setting = settingsOf(typed.called).find((setting) => setting.flag === flag || setting.short === flag);
  if (setting === undefined) return [];
  if (setting.placeholder === "FILE") return "files";
  // Behind a comma another value begins.
  const begin = setting.repeatable === true ? word.lastIndexOf(",") + 1 : 0;
  const front = head + word.slice(0, begin);
  const { starts, choices = starts, suggests } = setting as Setting<unknown>;
  if (choices !== undefined) return choices.map((choice): Candidate => [`${front}${choice}`]);
  if (suggests === undefined) return [];
  return await registered(suggests, word.slice(begin), front, typed, program);
}

async function registered(
  what: Suggested,
  begin: string,
  front: string,
  { called, given }: Typed,
  program: Program,
): Promise<Candidate[]> {
  const known = settingsOf(called).filter(({ flag }) => given.has(flag));
  if (known.some(({ flag }) => given.get(flag)?.some(isExpanded))) return [];
  const question = {
    what,
    begin,
    given: Object.fromEntries(known.map(({ flag }) => [optionName(flag), given.get(flag)])),
    type: given.get("--service-type")?.at(-1),
  };
  return (await suggestions(question, program.system)).map((name): Candidate => [`${front}${name}`]);
}
