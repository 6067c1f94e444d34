/**
 * Settings: values from an option or, if that is not given, from an environment variable. Each setting is declared once;
 * its option, variable, help, checks and reference come from that.
 */
import { Command } from "@cliffy/command";
import { InvalidValueError, parseOne, UsageError } from "../errors.ts";
import { shorten } from "../system/escape.ts";
import type { System } from "../system/mod.ts";
import { help } from "./help.ts";

/** A command whose options are not known to the compiler: settings are typed by their own declaration. */
// deno-lint-ignore no-explicit-any -- Cliffy's eight type parameters follow chained calls, not a table
export type AnyCommand = Command<any>;

/** What completion suggests from the registry. */
export type Suggested = "type" | "name" | "tag" | "switch";

/** One setting, whose value has the type `T`. */
export interface Setting<T> {
  /** `-f`, for the few that are typed often. */
  readonly short?: `-${string}`;
  /** `--ttl` */
  readonly flag: `--${string}`;
  /** `SECONDS`; undefined if the option takes no value, and is on or off. */
  readonly placeholder: string | undefined;
  /** `EMPUSA_SERVICE_TTL` */
  readonly env: `EMPUSA_${string}`;
  /** Variables of other programs that are used if ours is not set, in this order. */
  readonly envOfOthers?: readonly string[];
  /**
   * A variable in which `service run` passes its own value to its command. If ours has the same value, it describes the
   * command, and counts as unset.
   */
  readonly envOfParent?: `EMPUSA_${string}`;
  /** One sentence for the help. */
  readonly meaning: string;
  /** It must be given. */
  readonly required?: boolean;
  /** The default, as it would be typed. */
  readonly fallback?: string;
  /** It may be given more than once; the values are joined by commas. */
  readonly repeatable?: boolean;
  /** It may be given more than once; values stay separate. In the variable, each is on a line of its own. */
  readonly listed?: boolean;
  /** In a variable of one line, commas separate the values; a backslash keeps one in a value. */
  readonly commas?: boolean;
  /** What the option says when it is given without a value, as it would be typed. */
  readonly bare?: string;
  /** All the values that there are, where they can be listed. */
  readonly choices?: readonly string[];
  /** What values begin with, for a shell to offer. */
  readonly starts?: readonly string[];
  /** What of the registry a shell may offer where they cannot. */
  readonly suggests?: Suggested;
  /** @throws {InvalidValueError} where the text cannot be used */
  readonly parse: (text: string) => T;
}

type Declaration<T> = Omit<Setting<T>, "required" | "fallback">;

// deno-lint-ignore no-explicit-any -- any type of value, found out by Values
export type Settings = Readonly<Record<string, Setting<any>>>;

/** The values of some settings, under the same names. */
export type Values<S extends Settings> = { [Name in keyof S]: S[Name] extends Setting<infer T> ? T : never };

/** A setting that has to be given. */
export function required<T>(declaration: Declaration<T>): Setting<T> {
  return { ...declaration, required: true };
}

/** A setting that may be left out. */
export function optional<T>(declaration: Declaration<T>): Setting<T | undefined> {
  // Whatever it was made from.
  return { ...declaration, required: false };
}

/** A setting that has a value even where nothing is given. */
export function withDefault<T>(fallback: string, declaration: Declaration<T>): Setting<T> {
  // Whatever it was made from.
  return { ...declaration, required: false, fallback };
}

/** What separates the values of a list: neither an argument nor a variable can hold it. */
const separator = "\0";

/** A setting that may be given any number of times. */
export function list<T>({ parse, ...declaration }: Declaration<T>): Setting<readonly T[]> {
  return gathered({ ...declaration, parseAll: (values) => values.map((value) => parseOne(value, parse)) });
}

/** Likewise; all values together make one. */
export function gathered<T>(
  { parseAll, ...declaration }: Omit<Declaration<T>, "parse"> & {
    readonly parseAll: (values: readonly string[]) => T;
  },
): Setting<T> {
  return {
    ...declaration,
    listed: true,
    fallback: "",
    parse: (text) => parseAll(text.split(separator).filter((value) => value !== "")),
  };
}

/** Something that is off unless it is switched on. */
export function flag(declaration: Omit<Declaration<boolean>, "placeholder" | "parse">): Setting<boolean> {
  return { ...declaration, placeholder: undefined, fallback: "no", parse: parseYesOrNo };
}

function parseYesOrNo(text: string): boolean {
  if (/^(yes|true|on|1)$/i.test(text)) return true;
  if (/^(no|false|off|0)$/i.test(text)) return false;
  throw new InvalidValueError("be yes or no");
}

/** One of a few words. */
export function oneOf<const T extends string>(
  choices: readonly T[],
): Pick<Setting<T>, "choices" | "parse"> {
  return {
    choices,
    parse: (text) => {
      const choice = choices.find((choice) => choice === text);
      if (choice === undefined) throw new InvalidValueError(`be ${listed(choices)}`);
      return choice;
    },
  };
}

/** What options of commands say when they are given without a value. Cliffy always gets one. */
const bareValues = new WeakMap<AnyCommand, Map<string, string>>();

/** What an option of a command says when it is given without a value, or undefined where it has to have one. */
export function bareValue(command: AnyCommand, flag: string): string | undefined {
  return bareValues.get(command)?.get(flag);
}

/** The settings that commands were given. */
const declared = new WeakMap<AnyCommand, readonly Setting<unknown>[]>();

/** The settings of a command. */
export function ownSettingsOf(command: AnyCommand): readonly Setting<unknown>[] {
  return declared.get(command) ?? [];
}

/** The settings of a command, and those of the commands above it. */
export function settingsOf(command: AnyCommand): readonly Setting<unknown>[] {
  const parent = command.getParent();
  return [...ownSettingsOf(command), ...parent === undefined ? [] : settingsOf(parent)];
}

/**
 * Gives a command the options and variables of some settings.
 * @param global whether its sub-commands have them too
 * @param title the heading under which help lists them, after all other options
 */
export function declare(
  command: AnyCommand,
  settings: Settings,
  { global = false, title }: { readonly global?: boolean; readonly title?: string } = {},
): void {
  declared.set(command, Object.values(settings));
  if (title !== undefined) command.group(title);
  for (const setting of Object.values(settings)) {
    const { short, flag, placeholder, env, envOfOthers = [], envOfParent, repeatable, listed, bare } =
      setting;
    const name = placeholder?.toLowerCase() ?? "yes-or-no";
    const option = { collect: repeatable ?? listed ?? false, global };
    if (bare !== undefined) {
      bareValues.set(command, new Map([...bareValues.get(command) ?? [], [flag, bare]]));
    }
    const [open, close] = bare === undefined ? "<>" : "[]";
    const value = placeholder === undefined ? "" : ` ${open}${name}:string${close}`;
    command.option(`${short === undefined ? "" : `${short}, `}${flag}${value}`, help(setting), option);
    // Without a prefix, so that what the variable says is kept apart from what the option says.
    for (const names of [[env, ...envOfOthers], ...envOfParent === undefined ? [] : [[envOfParent]]]) {
      command.env(`${names.join(", ")}=<${name}:string>`, `The same as ${flag}.`, { global, hidden: true });
    }
  }
}

/**
 * The values of settings, from what Cliffy found: the option, else the variable, else the default. An empty
 * variable counts as none.
 * @throws {UsageError} naming every required setting that is missing, or the first value that breaks a rule
 */
export function read<S extends Settings>(settings: S, given: Readonly<Record<string, unknown>>): Values<S> {
  const texts = Object.entries(settings).map(([name, setting]) => ({
    name,
    setting,
    text: find(setting, given),
  }));
  const missing = texts.filter(({ setting, text }) => setting.required && text === undefined);
  if (missing.length > 0) {
    throw new UsageError(`missing ${missing.map(({ setting }) => settingName(setting)).join(", ")}`);
  }
  return Object.fromEntries(
    texts.map((
      { name, setting, text },
    ) => [name, text === undefined ? undefined : parseSetting(setting, text, setting.parse)]),
  ) as Values<S>;
}

/** What the environment says of settings, as `read` takes it. */
export function fromEnvironment(
  settings: Settings,
  { env }: Pick<System, "env">,
): Record<string, string> {
  return Object.fromEntries(
    Object.values(settings).flatMap((setting) => {
      const names = [setting.env, ...setting.envOfOthers ?? []];
      const text = names.map(env).find((text) => text !== undefined && text !== "");
      return text === undefined ? [] : [[environmentName(setting), text]];
    }),
  );
}

/** Under what name Cliffy gives what a variable says. */
function environmentName({ env }: Pick<Setting<unknown>, "env">): string {
  return camelCase(env.toLowerCase(), "_");
}

function find(setting: Setting<unknown>, given: Readonly<Record<string, unknown>>): string | undefined {
  const typed = option(setting.flag, given);
  if (Array.isArray(typed)) return typed.join(setting.listed ? separator : ",");
  const text = typed ?? fromVariable(setting, given);
  if (text === undefined) return setting.fallback;
  if (!setting.listed) return `${text}`;
  const lines = `${text}`.trim().split(/[^\S\n]*\n\s*/);
  const values = setting.commas && lines.length === 1 ? splitAtCommas(lines[0] ?? "") : lines;
  return values.join(separator);
}

/** The values of a list. Behind a backslash a comma is part of one. */
export function splitAtCommas(text: string): string[] {
  return text.split(/(?<!\\),/).map((value) => value.replaceAll("\\,", ","));
}

function fromVariable(setting: Setting<unknown>, given: Readonly<Record<string, unknown>>): unknown {
  const text = given[environmentName(setting)];
  const { envOfParent } = setting;
  return envOfParent !== undefined && text === given[environmentName({ env: envOfParent })]
    ? undefined
    : text;
}

/** What was typed. Cliffy makes of `--no-x` that `x` is false. */
function option(flag: Setting<unknown>["flag"], given: Readonly<Record<string, unknown>>): unknown {
  const name = flag.slice("--".length);
  if (!name.startsWith("no-")) return given[optionName(flag)];
  return given[camelCase(name.slice("no-".length), "-")] === false ? true : undefined;
}

/** What `parse` makes of a setting's text, with the setting named where that breaks a rule. */
export function parseSetting<T>(setting: Setting<unknown>, text: string, parse: (text: string) => T): T {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof InvalidValueError)) throw error;
    throw invalidSetting(setting, error.message, error.value ?? text);
  }
}

/** The error for a value that breaks a rule: the setting "must …". */
export function invalidSetting(setting: Setting<unknown>, rule: string, text: string): UsageError {
  return invalidValue(settingName(setting), rule, text);
}

/** The error for something that was typed and breaks a rule: it "must …". */
export function invalidValue(what: string, rule: string, text: string): UsageError {
  return new UsageError(`${what} must ${rule}, not ${JSON.stringify(shorten(text, 80))}`);
}

/** A setting by all of its names. */
export function settingName({ flag, env, envOfOthers = [] }: Setting<unknown>): string {
  return `${flag} (${[env, ...envOfOthers].join(", ")})`;
}

/** Under what name Cliffy gives what an option says. */
export function optionName(flag: Setting<unknown>["flag"]): string {
  return camelCase(flag.slice("--".length), "-");
}

function camelCase(text: string, separator: string): string {
  return text.split(separator).map((word, i) => i === 0 ? word : word[0]?.toUpperCase() + word.slice(1)).join(
    "",
  );
}

function listed(words: readonly string[]): string {
  return words.length < 2 ? words.join() : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
}
