import { ExitCode, UsageError } from "../../errors.ts";
import { type FormatName, formatNames } from "../../formats/mod.ts";
import { instanceId, type Selection } from "../../registry/mod.ts";
import { type Context, leaf, type Program } from "../shared/command.ts";
import { wholeNumber, wholeSeconds } from "../../settings/connection.ts";
import {
  type AnyCommand,
  flag,
  oneOf,
  optional,
  required,
  settingName,
  type Values,
} from "../../settings/settings.ts";
import { maxSeconds } from "../../system/delay.ts";
import { scope, warnOfMissing, watchAndLog } from "../shared/watch_and_log.ts";
import { hookOf, hooks, runFor } from "../shared/hooks.ts";
import { servicesAsJson } from "../../formats/json.ts";
import { checkPrinting, printing, warnSkipped } from "./shared/printing.ts";
import { selected, selection } from "./shared/settings.ts";
import { runOnChange } from "../shared/debounce.ts";
import { Warnings } from "../../system/warnings.ts";
import { Exporter, type Snapshot } from "../../export/exporter.ts";
import { standardOutput } from "../../export/standard_output.ts";

/** The table is for people, and what it says of the TTL changes every second. */
const exported = formatNames.filter((name) => name !== "table");

const settings = {
  ...selection,
  format: required({
    flag: "--format",
    placeholder: "FORMAT",
    env: "EMPUSA_FORMAT",
    meaning: "Output format, without TTLs.",
    ...oneOf(exported),
  }),
  output: required({
    flag: "--output",
    placeholder: "FILE",
    env: "EMPUSA_OUTPUT",
    meaning: "File to replace atomically when its content changes; - is standard output.",
    parse: (text) => text,
  }),
  strict: printing.strict,
  haproxyBackend: printing.haproxyBackend,
  watch: flag({
    flag: "--watch",
    env: "EMPUSA_WATCH",
    meaning: "Keep running, and write the file after each change.",
  }),
  ...hooks,
  exec: {
    ...hooks.exec,
    meaning: "Shell command to run after the file was written; -- COMMAND does the same.",
  },
  min: optional({
    flag: "--min",
    placeholder: "NUMBER",
    env: "EMPUSA_MIN",
    meaning: "Fewest entries to write; if not given, an empty result never replaces entries.",
    parse: wholeNumber(0, 1_000_000),
  }),
  maxDrop: optional({
    flag: "--max-drop",
    placeholder: "PERCENT",
    env: "EMPUSA_MAX_DROP",
    meaning: "Largest loss of entries to write at once.",
    parse: wholeNumber(1, 100),
  }),
  maxDropHold: optional({
    flag: "--max-drop-hold",
    placeholder: "SECONDS",
    env: "EMPUSA_MAX_DROP_HOLD",
    meaning: "Time after which a larger loss is written anyway.",
    parse: wholeSeconds(maxSeconds),
  }),
} as const;

export interface ExportOptions {
  readonly selection: Selection;
  readonly format: FormatName;
  readonly output: string;
  readonly strict: boolean;
  readonly haproxyBackend: string | undefined;
  readonly watch: boolean;
  readonly hook: Pick<Values<typeof hooks>, "exec" | "settle" | "exitOnFailure">;
  readonly min: number | undefined;
  /** Percent. */
  readonly maxDrop: number;
  /** Milliseconds; without end where it is not to be written at all. */
  readonly maxDropHold: number;
}

export function exportCommand(program: Program): AnyCommand {
  return leaf(program, {
    description: "Write instances to a file for another program, once or after each change.",
    examples: [
      [
        "targets for Prometheus",
        "service export --service-type node-exporter --format prometheus --output targets.json --watch",
      ],
      [
        "a backend for HAProxy, beside a haproxy.cfg that uses it",
        "service export --service-type web --format haproxy --haproxy-backend web --output web.cfg",
      ],
      [
        "servers for nginx, never blanked by an empty etcd",
        "service export --service-type web --format nginx --output web.conf --watch --min 1 " +
        "--exec 'nginx -t && nginx -s reload'",
      ],
    ],
    settings,
    takesCommand: true,
    options: exportOptions,
    run: runExport,
  });
}

/** @throws {UsageError} where settings do not go together */
export function exportOptions(typed: Values<typeof settings>): ExportOptions {
  const { format, output, strict, haproxyBackend, watch, min, maxDrop, maxDropHold } = typed;
  checkPrinting(typed);
  if (maxDropHold !== undefined && !watch) {
    throw new UsageError(`${settingName(settings.maxDropHold)} needs ${settingName(settings.watch)}`);
  }
  return {
    selection: selected(typed),
    format,
    output,
    strict,
    haproxyBackend,
    watch,
    hook: typed,
    min,
    maxDrop: maxDrop ?? 100,
    maxDropHold: maxDropHold === undefined ? Infinity : maxDropHold * 1000,
  };
}

export async function runExport(options: ExportOptions, context: Context): Promise<number> {
  const command = hookOf(options.hook, context);
  if (command === undefined && options.hook.exitOnFailure) {
    throw new UsageError(
      `${settingName(settings.exitOnFailure)} needs ${settingName(settings.exec)}, or a command behind "--"`,
    );
  }
  if (!options.watch) return await exportOnce(options, command, context);
  using interruption = context.system.interruption();
  using registry = await context.openRegistry();
  const unread = new AbortController();
  using following = scope(AbortSignal.any([interruption.signal, unread.signal]));
  using _ = options.output === standardOutput ? context.system.onReaderGone(() => unread.abort()) : undefined;
  const { signal } = following;
  const exporter = exporterOf(options, command, signal, context);
  let exitCode: number = ExitCode.done;
  const events = watchAndLog((how) => registry.services.watch(options.selection, how), signal, context);
  await runOnChange(events, {
    idOf: instanceId,
    settle: options.hook.settle,
    initial: true,
    signal,
    act: async (state) => {
      const code = await exporter.export(state);
      if (exporter.isUnread) return "give up";
      if (typeof code !== "number") return code;
      if (code === 0 || signal.aborted) return "done";
      if (!options.hook.exitOnFailure) return "failed";
      exitCode = code;
      return "give up";
    },
  });
  return exitCode;
}

async function exportOnce(
  options: ExportOptions,
  command: readonly string[] | undefined,
  context: Context,
): Promise<number> {
  using registry = await context.openRegistry();
  const { items: instances, revision, ...rest } = await registry.services.list(options.selection);
  await warnOfMissing(rest, new Warnings(context.log));
  const exporter = exporterOf(options, command, new AbortController().signal, context);
  const code = await exporter.export({ items: instances, revision });
  return typeof code === "number" ? code : ExitCode.failed;
}

function exporterOf(
  options: ExportOptions,
  command: readonly string[] | undefined,
  signal: AbortSignal,
  context: Context,
): Exporter {
  const { selection: { types }, format, output, haproxyBackend, watch, min, maxDrop, maxDropHold } = options;
  const names = { min: settingName(settings.min), maxDrop: settingName(settings.maxDrop) };
  const warnings = new Warnings(context.log);
  const hook = command && (({ items, revision }: Snapshot): Promise<number> => {
    const hookInput = {
      input: servicesAsJson(items),
      revision,
      count: items.length,
      countedIn: "EMPUSA_SERVICE_COUNT",
    };
    return runFor(command, hookInput, signal, context);
  });
  return new Exporter(
    {
      ...{ format, types, haproxyBackend, output, hook },
      retries: watch,
      guard: { min, maxDrop, maxDropHold, names },
      onRendered: (rendered) => warnSkipped(rendered, options, warnings),
    },
    context.system,
    context.log,
  );
}
