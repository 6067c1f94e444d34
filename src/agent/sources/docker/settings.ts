/** What a container says of itself by labels and variables: Registrator's conventions, and labels of our own. */
import type { Container } from "./container.ts";

/** What one label or variable says. */
export interface Setting {
  readonly value: string;
  /** For messages: `label empusa.ttl`, `variable SERVICE_NAME`. */
  readonly from: string;
  /** Whether it is for one port alone, as `empusa.80.type`. */
  readonly isForPort: boolean;
}

/** Settings by our names, such as `type`, `meta.zone` and `check.http`. */
export type Settings = ReadonlyMap<string, Setting>;

export interface Said {
  /** Settings for all ports, and those for a port by its number. Ours, and what Registrator's conventions say. */
  readonly ours: Scopes;
  readonly registrators: Scopes;
  /** What breaks a rule: texts such as `label empusa.x must …`. */
  readonly mistakes: Set<string>;
  /** What Registrator's conventions say and empusa does not do: names of labels and variables. */
  readonly leftOut: readonly string[];
}

interface Scopes {
  readonly all: Map<string, Setting>;
  readonly ports: Map<number, Map<string, Setting>>;
}

/** How many settings one container may have. */
const maxSettings = 1000;

/** What may follow `empusa.` and `empusa.PORT.`, and what `empusa.` alone. */
const portNames = [
  ...["type", "name", "location", "tags", "meta", "weight", "ttl", "mirrors", "ignore"],
  ...["http", "tcp", "interval", "timeout", "rise", "fall"].map((name) => `check.${name}`),
];
const ownNames = [...portNames, "port", "network"];

export function settingsOf({ env, labels }: Pick<Container, "env" | "labels">): Said {
  const said = { ours: scopes(), registrators: scopes(), mistakes: new Set<string>(), leftOut: [] };
  const byRegistrator = readRegistrators(said);
  for (const pair of env) {
    const at = pair.indexOf("=");
    if (at > 0) byRegistrator(pair.slice(0, at), pair.slice(at + 1), "variable");
  }
  // Of a label and a variable with one name the label counts.
  for (const [name, value] of labels) {
    if (name.startsWith("empusa.")) readOurs(said, name, value);
    else byRegistrator(name, value, "label");
  }
  const count = [said.ours, said.registrators]
    .flatMap(({ all, ports }) => [all, ...ports.values()])
    .reduce((sum, { size }) => sum + size, 0);
  if (count > maxSettings) {
    said.mistakes.add(`it must have at most ${maxSettings} labels and variables for empusa`);
  }
  return said;
}

/** The settings of a port, or of what has none. Labels of ours win, and then what is for the port alone. */
export function settingsFor({ ours, registrators }: Said, port: number | undefined): Settings {
  const of = ({ all, ports }: Scopes): readonly (readonly [string, Setting])[] => [
    ...all,
    ...port === undefined ? [] : ports.get(port) ?? [],
  ];
  return new Map([...of(registrators), ...of(ours)]);
}

function scopes(): Scopes {
  return { all: new Map(), ports: new Map() };
}

function scope({ all, ports }: Scopes, port: string | undefined): Map<string, Setting> {
  if (port === undefined) return all;
  const settings = ports.get(Number(port)) ?? new Map<string, Setting>();
  ports.set(Number(port), settings);
  return settings;
}

function readOurs(
  { ours, mistakes }: { readonly ours: Scopes; readonly mistakes: Set<string> },
  label: string,
  value: string,
): void {
  const [, port, name = ""] = /^empusa\.(?:(\d{1,5})\.)?(.*)$/s.exec(label) ?? [];
  const from = `label ${label}`;
  const set = (name: string, value: string): void => {
    scope(ours, port).set(name, { value, from, isForPort: port !== undefined });
  };
  const names = port === undefined ? ownNames : portNames;
  if (name === "meta") {
    for (const pair of commaSeparated(value)) {
      const at = pair.indexOf("=");
      if (at < 0) mistakes.add(`${from} must be KEY=VALUE, separated by commas`);
      else set(`meta.${pair.slice(0, at)}`, pair.slice(at + 1));
    }
  } else if (names.includes(name) || name.startsWith("meta.")) set(name, value);
  else mistakes.add(`${from} must be one of those that empusa knows: ${names.join(", ")}`);
}

/** Registrator's names that have others here. What is in none of these lists is metadata. */
const registratorNames = new Map([
  ["name", "type"],
  ["id", "name"],
  ["tags", "tags"],
  ["ignore", "ignore"],
  ["check_http", "check.http"],
  ["check_https", "check.https"],
  ["check_tcp", "check.tcp"],
  ["check_interval", "check.interval"],
  ["check_timeout", "check.timeout"],
]);

/** Reads `SERVICE_NAME` and `SERVICE_80_NAME`, whose names have any case behind `SERVICE_`. */
function readRegistrators(
  { registrators, leftOut }: { readonly registrators: Scopes; readonly leftOut: string[] },
): (name: string, value: string, kind: "label" | "variable") => void {
  return (name, value, kind) => {
    const [, port, lower = ""] = /^SERVICE_(?:(\d{1,5})_)?(.+)$/s.exec(name) ?? [];
    const theirs = lower.toLowerCase();
    if (theirs === "") return;
    if (theirs.startsWith("check_") && !registratorNames.has(theirs)) {
      leftOut.push(name);
      return;
    }
    const ours = registratorNames.get(theirs) ?? `meta.${theirs}`;
    const setting = { value, from: `${kind} ${name}`, isForPort: port !== undefined };
    // An empty text is as good as none.
    if (value !== "" || ours.startsWith("meta.")) scope(registrators, port).set(ours, setting);
  };
}

/** The parts of a list, without blanks at their ends; `\,` is a comma within a part. */
export function commaSeparated(text: string): string[] {
  return text.split(/(?<!\\),/).map((part) => part.replaceAll("\\,", ",").trim()).filter((part) =>
    part !== ""
  );
}

/** A number; what is none stays a text, for the rules to refuse. */
export function number(text: string): number | string {
  return /^\d{1,15}(\.\d{1,9})?$/.test(text) ? Number(text) : text;
}
