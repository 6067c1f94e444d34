/** What the commands have in common that follow something and tell of it, or run a command for it. */
import { ExitCode, UsageError } from "../../errors.ts";
import { escapeControls, resultFor } from "../../system/escape.ts";
import { cellOf, widthsOf } from "../../formats/columns.ts";
import type { Registry, WatchEvent, WatchOptions } from "../../registry/mod.ts";
import type { Output } from "../../system/mod.ts";
import { BurstWriter } from "./burst_writer.ts";
import type { Context } from "./command.ts";
import { scope, watchAndLog } from "./watch_and_log.ts";
import { formatSetting } from "./format.ts";
import { hookOf, hooks, runFor } from "./hooks.ts";
import { flag, settingName, type Values } from "../../settings/settings.ts";
import { runOnChange } from "./debounce.ts";

export const watching = {
  format: formatSetting(["jsonl", "table"], "jsonl"),
  ...hooks,
  noInitial: flag({
    flag: "--no-initial",
    env: "EMPUSA_NO_INITIAL",
    meaning: "Run the command for changes only, not for the initial state.",
  }),
} as const;

export type Watching = Values<typeof watching>;

/** What is followed, and how it is shown. */
export interface WatchedResource<T> {
  readonly watch: (
    registry: Registry,
    options: Omit<WatchOptions, "timeout">,
  ) => AsyncGenerator<WatchEvent<T>, void, void>;
  readonly idOf: (item: T) => string;
  readonly compare: (a: T, b: T) => number;
  /** What several are called in JSON, and in which variable a command finds how many there are. */
  readonly plural: string;
  readonly countedIn: `EMPUSA_${string}`;
  /** As JSON, by itself and all together. */
  readonly object: (item: T) => Record<string, unknown>;
  readonly json: (items: readonly T[]) => string;
  /** What it is called, and what there is to know of it, for people. */
  readonly columns: (item: T) => readonly [name: string, value: string];
}

/** @throws {UsageError} where settings of a command are given without one */
export async function runWatching<T>(
  subject: WatchedResource<T>,
  options: Watching,
  context: Context,
): Promise<number> {
  const { format, exitOnFailure, noInitial, settle } = options;
  const command = hookOf(options, context);
  if (command === undefined && (exitOnFailure || noInitial)) {
    const setting = exitOnFailure ? watching.exitOnFailure : watching.noInitial;
    throw new UsageError(
      `${settingName(setting)} needs ${settingName(watching.exec)}, or a command behind "--"`,
    );
  }
  using interruption = context.system.interruption();
  using registry = await context.openRegistry();
  const unread = new AbortController();
  using following = scope(AbortSignal.any([interruption.signal, unread.signal]));
  const { signal } = following;
  const events = watchAndLog((options) => subject.watch(registry, options), signal, context);
  if (command === undefined) {
    const { stdout } = context.system;
    const end = (): void => unread.abort();
    using _ = context.system.onReaderGone(end);
    const writer = new BurstWriter(stdout, signal, end);
    for await (const event of events) {
      const text = format === "jsonl"
        ? resultFor(stdout, jsonLine(event, subject))
        : await tableLines(event, subject, stdout);
      await writer.write(text);
      // The reader has gone away, or the command was interrupted while the reader was slow.
      if (signal.aborted) break;
    }
    writer.check();
    return ExitCode.done;
  }
  let exitCode: number = ExitCode.done;
  await runOnChange(events, {
    idOf: subject.idOf,
    settle,
    initial: !noInitial,
    signal,
    act: async ({ items, revision }) => {
      const input = subject.json(items.toSorted(subject.compare));
      const hookInput = { input, revision, count: items.length, countedIn: subject.countedIn };
      const code = await runFor(command, hookInput, signal, context);
      if (code === 0) return "done";
      if (!exitOnFailure || signal.aborted) return "failed";
      exitCode = code;
      return "give up";
    },
  });
  return exitCode;
}

function jsonLine<T>(event: WatchEvent<T>, { compare, object, plural }: WatchedResource<T>): string {
  const objects = (items: readonly T[]): unknown[] => items.toSorted(compare).map(object);
  const { kind, revision } = event;
  const head = { event: kind, revision };
  switch (event.kind) {
    case "snapshot":
      return `${JSON.stringify({ ...head, [plural]: objects(event.items) })}\n`;
    case "resync":
      return `${JSON.stringify({ ...head, put: objects(event.put), deleted: objects(event.deleted) })}\n`;
    default:
      return `${JSON.stringify({ ...head, ...object(event.item) })}\n`;
  }
}

/** How wide the columns of a table are that grows by the line, as far as the cells fit. */
const whatWidth = 8;
const nameWidth = 24;

async function tableLines<T>(
  event: WatchEvent<T>,
  { compare, columns }: WatchedResource<T>,
  { isTerminal }: Pick<Output, "isTerminal">,
): Promise<string> {
  const cell = isTerminal ? cellOf : escapeControls;
  const rows = rowsOf(event, compare).map(([what, item]) => [what, ...columns(item).map(cell)] as const);
  const widthOf = await widthsOf(rows.map(([, name = ""]) => name));
  const pad = (text: string, width: number): string => text + " ".repeat(Math.max(width - widthOf(text), 0));
  return rows.map(([what, name = "", value]) =>
    `${pad(what, whatWidth)}  ${pad(name, nameWidth)}  ${value}\n`
  ).join("");
}

/** What happened to which item, a line each. */
function rowsOf<T>(event: WatchEvent<T>, compare: (a: T, b: T) => number): (readonly [string, T])[] {
  const rows = (what: string, items: readonly T[]): (readonly [string, T])[] =>
    items.toSorted(compare).map((item) => [what, item] as const);
  switch (event.kind) {
    case "snapshot":
      return rows("there", event.items);
    case "resync":
      return [...rows("put", event.put), ...rows("delete", event.deleted)];
    default:
      return [[event.kind, event.item]];
  }
}
