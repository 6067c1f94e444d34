/** Documents of definitions: YAML, of which JSON is a part; with the place of each mistake. */
import { type Document, isMap, isPair, LineCounter, type Node, parseAllDocuments, visit } from "yaml";
import { consulServices } from "./consul.ts";
import { document, type ServiceDefinition } from "./rules.ts";

/** Something in a file, at a line and a column that count from 1. */
export interface Remark {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

/** A place in a file. */
export type Place = Omit<Remark, "message">;

/** A service that a file defines. */
export interface Defined {
  readonly service: ServiceDefinition;
  readonly file: string;
  /** As `services[0]`. */
  readonly path: string;
  /** Where it is. To find that, JSON is read once more. */
  readonly place: () => Place;
}

export interface Parsed {
  readonly services: readonly Defined[];
  readonly mistakes: readonly Remark[];
  /** What Consul's definitions say and empusa cannot. */
  readonly warnings: readonly Remark[];
  /** Whether there was any document, even one without services. */
  readonly isEmpty: boolean;
}

type Path = readonly (string | number)[];

/** All services that a text defines, and all mistakes in it. */
export function parseDefinitions(file: string, text: string): Parsed {
  return (text.length < longText ? undefined : parseJson(file, text)) ?? parseYaml(file, text);
}

/** From how many UTF-16 code units on JSON is read as JSON first. */
const longText = 262_144;

/**
 * The services of a text that is JSON and has no mistakes. It is read in a hundredth of the time that YAML takes, but
 * without places, and of a key that is there twice the last one counts.
 */
function parseJson(file: string, text: string): Parsed | undefined {
  if (!/^\s*\{/.test(text)) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const result = document.safeParse(value);
  if (!result.success) return undefined;
  let located: Parsed | undefined;
  const services = result.data.services.map((service, i): Defined => ({
    service,
    file,
    path: `services[${i}]`,
    place: () => {
      located ??= parseYaml(file, text);
      return located.services[i]?.place() ?? { file, line: 1, column: 1 };
    },
  }));
  return { services, mistakes: [], warnings: [], isEmpty: false };
}

function parseYaml(file: string, text: string): Parsed {
  const lineCounter = new LineCounter();
  const all = parseAllDocuments(text, { lineCounter, prettyErrors: false });
  // Without any document it is an empty result of another kind.
  const documents = Array.isArray(all) ? all : [];
  const parsed = { services: [] as Defined[], mistakes: [] as Remark[], warnings: [] as Remark[] };
  for (const found of documents) {
    const atOffset = (offset: number): Place => {
      const { line, col } = lineCounter.linePos(offset);
      return { file, line, column: col };
    };
    const at = (path: Path, key = false): Place => atOffset(offsetOf(found, path, key));
    for (const { message, pos: [offset] } of found.errors) {
      parsed.mistakes.push({ ...atOffset(offset), message: oneLine(message) });
    }
    if (found.errors.length > 0) continue;
    readDocument(found, { file, at, atOffset }, parsed);
  }
  const isEmpty = parsed.mistakes.length + parsed.services.length === 0 &&
    !documents.some((found) => found.contents !== null && found.toJS() !== null);
  return { ...parsed, isEmpty };
}

function readDocument(
  found: Document,
  { file, at, atOffset }: {
    readonly file: string;
    readonly at: (path: Path, key?: boolean) => Place;
    readonly atOffset: (offset: number) => Place;
  },
  { services, mistakes, warnings }: { services: Defined[]; mistakes: Remark[]; warnings: Remark[] },
): void {
  let value: unknown;
  try {
    value = found.toJS();
  } catch (error) {
    // An alias of nothing, or too many of them.
    mistakes.push({ ...at([]), message: oneLine((error as Error).message) });
    return;
  }
  // An empty document.
  if (value === null || value === undefined) return;
  const forbidden = prototypeIn(found);
  if (forbidden !== undefined) {
    mistakes.push({ ...atOffset(forbidden), message: 'a key must not be "__proto__"' });
    return;
  }
  const consul = consulServices(value);
  const pathOf = consul?.pathOf ?? ((path: Path) => path);
  for (const { path, message } of consul?.warnings ?? []) {
    warnings.push({ ...at(path), message: `${shown(path)} ${message}` });
  }
  const result = document.safeParse(consul?.document ?? value);
  if (!result.success) {
    for (const { path, message, code, ...issue } of result.error.issues) {
      const keys = code === "unrecognized_keys" && "keys" in issue ? issue.keys : [];
      const place = pathOf(path as Path);
      const where = keys[0] === undefined ? at(place) : at([...place, keys[0]], true);
      mistakes.push({ ...where, message: `${shown(place)} must ${message}` });
    }
    return;
  }
  for (const [i, service] of result.data.services.entries()) {
    const path = pathOf(["services", i]);
    services.push({ place: () => at(path), service, file, path: shown(path) });
  }
}

/** Where a key is that JavaScript takes for something else, and would lose. */
function prototypeIn(found: Document): number | undefined {
  let offset: number | undefined;
  visit(found, {
    Pair: (_, { key }) => {
      if (`${key}` !== "__proto__") return undefined;
      offset = (key as Node).range?.[0] ?? 0;
      return visit.BREAK;
    },
  });
  return offset;
}

/** Where the value at a path begins, or its key; where that is missing, what would hold it. */
function offsetOf(found: Document, path: Path, key: boolean): number {
  for (let length = path.length; length >= 0; length--) {
    const parent = found.getIn(path.slice(0, length - 1), true);
    if (key && length === path.length && isMap(parent)) {
      const pair = parent.items.find((item) => isPair(item) && `${item.key}` === `${path.at(-1)}`);
      const [begin] = (pair?.key as Node | undefined)?.range ?? [];
      if (begin !== undefined) return begin;
    }
    const node = length === 0 ? found.contents : found.getIn(path.slice(0, length), true) as Node | undefined;
    const [begin] = node?.range ?? [];
    if (begin !== undefined) return begin;
  }
  return 0;
}

/** A path as people write it: `services[0].meta.zone`. */
function shown(path: Path): string {
  if (path.length === 0) return "the document";
  return path.map((part, i) => typeof part === "number" ? `[${part}]` : i === 0 ? part : `.${part}`).join("");
}

function oneLine(message: string): string {
  return message.replace(/\s+/g, " ").trim();
}
