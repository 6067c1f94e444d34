/** Writes docs/reference.md from the command tree: `deno task docs`. */
import { rootCommand } from "../src/cli/tree.ts";
import { commandLinesOf } from "../src/commands/shared/command.ts";
import { formats } from "../src/formats/mod.ts";
import { mirrorKinds } from "../src/registry/mirrors/mod.ts";
import { type AnyCommand, ownSettingsOf, type Setting } from "../src/settings/settings.ts";
import { Log } from "../src/system/log.ts";
import { system } from "../src/system/mod.ts";

const page = new URL("../docs/reference.md", import.meta.url);
const errors = new URL("../src/errors.ts", import.meta.url);

/** The whole page. */
export async function reference(): Promise<string> {
  const real = system();
  const root = rootCommand({ system: real, log: new Log(real.stderr), onCall: () => {} });
  return [
    "# Reference",
    "",
    "`deno task docs` writes this page from the program: every command, option, variable, default, format and exit code.",
    "Every option has an environment variable. The option wins, and an empty variable counts as unset.",
    "",
    ...table(["command", "what it does"], all(root).map((command) => [link(command), summary(command)])),
    "## Connection options",
    "",
    "Every command that asks etcd has them, before and after its name. `-h, --help` shows the help of any command, and\n`empusa -V, --version` the version.",
    "",
    ...options(root),
    ...all(root).filter((command) => command !== root).flatMap(section),
    "## Formats",
    "",
    ...table(
      ["`--format`", "reader and output"],
      Object.values(formats).map(({ name, summary }) => [`\`${name}\``, summary]),
    ),
    "## Mirrors",
    "",
    ...table(
      ["`--mirror`", "reader"],
      mirrorKinds.map(({ name, argument, summary }) => [
        `\`${name}${argument.startsWith("[") ? `[=${argument.slice(1)}` : `=${argument}`}\``,
        summary,
      ]),
    ),
    "## Exit codes",
    "",
    ...table(["code", "meaning"], [
      ...exitCodes(await Deno.readTextFile(errors)),
      ["128 + n", "Signal n ended the command before it was done."],
    ]),
  ].join("\n").trimEnd() + "\n";
}

/** A command and all below it, in the order of the help. */
function all(command: AnyCommand): AnyCommand[] {
  return [command, ...command.getCommands(true).flatMap(all)];
}

function section(command: AnyCommand): string[] {
  const usage = `${command.getPath()} ${command.getUsage()}`;
  return [
    `## ${command.getPath()}`,
    "",
    command.getDescription(),
    "",
    "```",
    usage,
    "```",
    "",
    ...options(command),
    ...examples(command),
  ];
}

function options(command: AnyCommand): string[] {
  const settings = ownSettingsOf(command);
  if (settings.length === 0) return [];
  return table(
    ["option", "variable", "default", "meaning"],
    settings.map((
      setting,
    ) => [flagOf(setting), variablesOf(setting), defaultOf(setting), meaningOf(setting)]),
  );
}

function flagOf({ flag, placeholder, bare }: Setting<unknown>): string {
  const name = placeholder?.toLowerCase();
  const value = name === undefined ? "" : bare === undefined ? ` <${name}>` : ` [${name}]`;
  return `\`${flag}${value}\``;
}

function variablesOf({ env, envOfOthers = [] }: Setting<unknown>): string {
  return [env, ...envOfOthers].map((name) => `\`${name}\``).join(", then ");
}

function defaultOf({ fallback, placeholder, required, listed }: Setting<unknown>): string {
  if (required) return "required";
  return fallback === undefined || placeholder === undefined || listed ? "" : `\`${fallback}\``;
}

function meaningOf({ meaning, choices, repeatable, listed, commas }: Setting<unknown>): string {
  return [
    meaning,
    choices === undefined ? "" : `One of ${choices.map((choice) => `\`${choice}\``).join(", ")}.`,
    repeatable ? "Repeatable; the variable separates values by commas." : "",
    commas
      ? "Repeatable; in the variable commas or lines separate values."
      : listed
      ? "Repeatable; the variable has one value a line."
      : "",
  ].filter((sentence) => sentence !== "").join(" ");
}

function examples(command: AnyCommand): string[] {
  const lines = commandLinesOf(command);
  if (lines.length === 0) return [];
  return [
    "```sh",
    ...lines.flatMap(([title, line], i) => [...i === 0 ? [] : [""], `# ${title}`, line]),
    "```",
    "",
  ];
}

/** The codes and their comments in the source, which is where they are explained. */
function exitCodes(source: string): string[][] {
  const [, body = ""] = /export const ExitCode = \{\n([^]*?)\n\} as const/.exec(source) ?? [];
  return [...body.matchAll(/\/\*\* (.*?) \*\/\n\s*\w+: (\d+)/g)].map((
    [, meaning = "", code = ""],
  ) => [code, meaning]);
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(header), `|${"---|".repeat(header.length)}`, ...rows.map(line), ""];
}

function link(command: AnyCommand): string {
  const path = command.getPath();
  const anchor = command.getParent() === undefined ? "connection-options" : path.replaceAll(" ", "-");
  return `[\`${path}\`](#${anchor})`;
}

/** The first sentence of the description. */
function summary(command: AnyCommand): string {
  return command.getDescription().replace(/\.\s[^]*$/, ".");
}

if (import.meta.main) await Deno.writeTextFile(page, await reference());
