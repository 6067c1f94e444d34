/** Where definitions come from: files, folders of files, and standard input. */
import { UsageError } from "../errors.ts";
import { instanceId } from "../registry/mod.ts";
import { escapeControls } from "../system/escape.ts";
import type { System } from "../system/mod.ts";
import { type Defined, type Parsed, parseDefinitions, type Remark } from "./document.ts";

/** The most that one file may hold, in bytes. */
const maxFileBytes = 64 * 2 ** 20;

/** The files of a folder that hold definitions. */
const suffix = /\.(yaml|yml|json)$/;

/** All services of some sources, none of them twice; and what is left out of Consul's definitions. */
export interface Definitions {
  readonly services: readonly Defined[];
  readonly warnings: readonly Remark[];
  /** Whether no file says anything. */
  readonly isEmpty: boolean;
  /** What breaks a rule. With one of these, nothing is to be done. */
  readonly mistakes: readonly Remark[];
}

/**
 * Reads the definitions of files, of the files in folders in the order of their names, and of standard input for `-`.
 * @throws {UsageError} naming a file that cannot be read
 */
export async function readDefinitions(
  paths: readonly string[],
  system: Pick<System, "readFile" | "filesIn" | "readStdin">,
): Promise<Definitions> {
  const parsed: Parsed[] = [];
  for (const path of paths) {
    for (const file of await filesOf(path, system)) parsed.push(await parse(file, system));
  }
  const services = parsed.flatMap(({ services }) => services);
  return {
    services,
    isEmpty: parsed.every(({ isEmpty }) => isEmpty),
    warnings: parsed.flatMap(({ warnings }) => warnings),
    mistakes: [...parsed.flatMap(({ mistakes }) => mistakes.toSorted(byPlace)), ...doubles(services)],
  };
}

/** `web.yaml:7:5: services[0].ttl must be …` */
export function showRemark({ file, line, column, message }: Remark): string {
  return `${escapeControls(file)}:${line}:${column}: ${escapeControls(message)}`;
}

async function filesOf(path: string, system: Pick<System, "filesIn">): Promise<readonly string[]> {
  if (path === "-" || path === "/dev/stdin") return ["-"];
  try {
    const names = await system.filesIn(path);
    return names === undefined
      ? [path]
      : names.filter((name) => suffix.test(name)).sort().map((name) => `${path.replace(/\/$/, "")}/${name}`);
  } catch (error) {
    throw unreadable(path, error);
  }
}

async function parse(file: string, system: Pick<System, "readFile" | "readStdin">): Promise<Parsed> {
  let bytes: Uint8Array;
  try {
    bytes = file === "-" ? await system.readStdin(maxFileBytes + 1) : await system.readFile(file);
  } catch (error) {
    throw unreadable(file, error);
  }
  if (bytes.length > maxFileBytes) {
    throw new UsageError(`cannot use ${file}: it has more than ${maxFileBytes / 2 ** 20} MiB`);
  }
  const name = file === "-" ? "standard input" : file;
  try {
    return parseDefinitions(name, new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    if (error instanceof TypeError) throw new UsageError(`cannot use ${name}: it is not UTF-8`);
    throw error;
  }
}

function unreadable(path: string, error: unknown): UsageError {
  return new UsageError(`cannot read ${path}: ${error instanceof Error ? error.message : error}`);
}

function byPlace(a: Remark, b: Remark): number {
  return a.line - b.line || a.column - b.column;
}

/** Two definitions of one instance. Names with placeholders are the same if their texts are. */
function doubles(services: readonly Defined[]): Remark[] {
  const seen = new Map<string, Defined>();
  return services.flatMap((defined): Remark[] => {
    const { service, path, place } = defined;
    const id = instanceId(service);
    const first = seen.get(id);
    seen.set(id, first ?? defined);
    if (first === undefined) return [];
    const { file, line } = first.place();
    return [{ ...place(), message: `${path} is ${id} again, after ${file}:${line}` }];
  });
}
