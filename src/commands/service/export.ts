import { EmpusaError, ExitCode, UsageError } from "../../errors.ts";
import { type FormatName, formatNames, formats } from "../../formats/mod.ts";
import { compareInstances, instanceId, type RegisteredInstance, type Selection } from "../../registry/mod.ts";
import { type Context, leaf, type Program } from "../shared/command.ts";
import { maxSeconds, wholeNumber, wholeSeconds } from "../../settings/connection.ts";
import {
  type AnyCommand,
  flag,
  oneOf,
  optional,
  required,
  settingName,
  type Values,
} from "../../settings/settings.ts";
import { follow, scope, warnOfInvalid } from "../shared/following.ts";
import { hookOf, hooks, runFor } from "../shared/hooks.ts";
import { servicesAsJson } from "../../formats/json.ts";
import { checkPrinting, printing, tellLeftOut } from "./shared/printing.ts";
import { selected, selection } from "./shared/settings.ts";
import { actOnSettled, type State } from "../shared/settled.ts";
import type { OutputFile } from "../../system/mod.ts";
import { Warnings } from "../shared/warnings.ts";
import { StandardOutput, standardOutput } from "../../export/standard_output.ts";

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
  const exporter = new Exporter(options, command, signal, context);
  let exitCode: number = ExitCode.done;
  const events = follow((how) => registry.services.watch(options.selection, how), signal, context);
  await actOnSettled(events, {
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
  const { items: instances, invalid, revision } = await registry.services.list(options.selection);
  const warnings = new Warnings(context.log);
  for (const entry of invalid) await warnOfInvalid(entry, warnings);
  const exporter = new Exporter(options, command, new AbortController().signal, context);
  const code = await exporter.export({ items: instances, revision });
  return typeof code === "number" ? code : ExitCode.failed;
}

/** Writes states to the file, as far as they are plausible. */
class Exporter {
  readonly #options: ExportOptions;
  readonly #command: readonly string[] | undefined;
  readonly #signal: AbortSignal;
  readonly #context: Context;
  /** Since when a drop is held back, as of `performance.now()`. */
  #heldSince: number | undefined;
  /** Where it is written to, and what that is called. */
  readonly #file: OutputFile;
  readonly #warnings: Warnings;
  /** What was warned about last, so that it is not said with every attempt. */
  #warned = "";

  constructor(
    options: ExportOptions,
    command: readonly string[] | undefined,
    signal: AbortSignal,
    context: Context,
  ) {
    this.#options = options;
    this.#command = command;
    this.#signal = signal;
    this.#context = context;
    this.#warnings = new Warnings(context.log);
    const { output } = options;
    const { system } = context;
    this.#file = output === standardOutput ? new StandardOutput(system.stdout) : system.outputFile(output);
  }

  /** Whether it writes to standard output, and nobody reads that any longer. */
  get isUnread(): boolean {
    return this.#options.output === standardOutput && !this.#context.system.stdout.open;
  }

  /** The command's exit code, 0 where there is none; or how it went where nothing was written. */
  async export(state: State<RegisteredInstance>): Promise<number | "failed" | { readonly later: number }> {
    const instances = state.items.toSorted(compareInstances);
    const { format, output, haproxyBackend, selection: { types } } = this.#options;
    const rendering = { color: false, terminal: false, types, haproxyBackend };
    const printed = await formats[format].render(instances, rendering);
    await tellLeftOut(printed, this.#options, this.#warnings);
    const count = formats[format].count(printed.text);
    try {
      const before = await this.#file.read();
      const doubt = this.#doubt(count, formats[format].count(before ?? ""));
      if (doubt !== undefined) {
        await this.#warn(`left ${output} as it is: ${doubt.why}`);
        return doubt;
      }
      // Before, in case we are killed in between.
      if (this.#command !== undefined && before !== printed.text) await this.#file.setPending(true);
      await this.#tellWritten(await this.#file.write(printed.text), count);
    } catch (error) {
      const why = error instanceof Error ? error.message : `${error}`;
      if (!this.#options.watch) throw new EmpusaError(`cannot write ${output}: ${why}`, { cause: error });
      await this.#warn(`cannot write ${output}, and trying again: ${why}`);
      return "failed";
    }
    this.#warned = "";
    if (this.#command === undefined || !await this.#file.isPending()) return 0;
    const told = {
      input: servicesAsJson(instances),
      revision: state.revision,
      count: instances.length,
      countedIn: "EMPUSA_SERVICE_COUNT",
    };
    const code = await runFor(this.#command, told, this.#signal, this.#context);
    if (code === 0) await this.#file.setPending(false);
    return code;
  }

  /** Why so many entries must be wrong, and when that may change by itself; or undefined where they need not be. */
  #doubt(count: number, before: number): { readonly why: string; readonly later: number } | undefined {
    const { min, maxDrop, maxDropHold } = this.#options;
    if (min !== undefined && count < min) {
      return {
        why: `there are ${count} entries, and ${settingName(settings.min)} is ${min}`,
        later: Infinity,
      };
    }
    const blank = min === undefined && count === 0 && before > 0;
    if (!blank && before - count <= before * maxDrop / 100) {
      this.#heldSince = undefined;
      return undefined;
    }
    this.#heldSince ??= performance.now();
    const later = maxDropHold - (performance.now() - this.#heldSince);
    if (later <= 0) return undefined;
    const why = blank
      ? `of ${before} entries none is left, and ${settingName(settings.min)} is not given`
      : `of ${before} entries only ${count} are left, and ${settingName(settings.maxDrop)} is ${maxDrop}`;
    return { why, later };
  }

  async #tellWritten(how: Awaited<ReturnType<OutputFile["write"]>>, count: number): Promise<void> {
    const { output } = this.#options;
    // On standard output it speaks for itself.
    if (how === "kept" || output === standardOutput) return;
    await this.#context.log.info(`wrote ${output}: ${count} ${count === 1 ? "entry" : "entries"}`);
    if (how === "replaced") return;
    await this.#warnings.tell(
      output,
      `${output} was overwritten in place: it is mounted by itself, or its folder is read-only. A reader may see half of ` +
        "it for a moment; mount its folder instead",
    );
  }

  async #warn(message: string): Promise<void> {
    if (message !== this.#warned) await this.#context.log.warn(message);
    this.#warned = message;
  }
}
