import { ExitCode, UsageError } from "../../errors.ts";
import { visible } from "../../formats/visible.ts";
import {
  compareInstances,
  type RegisteredInstance,
  type Selection,
  type WatchEvent,
} from "../../registry/mod.ts";
import { type Context, leaf, type Program } from "../command.ts";
import { formatSetting } from "../format.ts";
import { type AnyCommand, flag, named, type Values } from "../settings.ts";
import { follow } from "./following.ts";
import { hookOf, hooks, runFor } from "./hooks.ts";
import { selected, selection } from "./settings.ts";
import { actOnSettled } from "./settled.ts";
import { label } from "./staying.ts";

const settings = {
  ...selection,
  format: formatSetting(["jsonl", "table"], "jsonl"),
  ...hooks,
  noInitial: flag({
    flag: "--no-initial",
    env: "EMPUSA_NO_INITIAL",
    meaning: "Run the command for changes only, not for what is there in the beginning.",
  }),
} as const;

export interface WatchOptions {
  readonly selection: Selection;
  readonly format: "jsonl" | "table";
  readonly hook: Pick<Values<typeof hooks>, "exec" | "settle" | "exitOnFailure">;
  readonly initial: boolean;
}

export function watchCommand(program: Program): AnyCommand {
  return leaf(program, {
    description: "Follow what is registered: first what is there, then each change, until it is interrupted.",
    examples: [
      ["as JSON lines", "service watch --service-type web"],
      [
        "reload something when it has changed",
        "service watch --service-type web --exec 'systemctl reload proxy'",
      ],
      ["give all that is there to a program", "service watch --service-type web -- ./update --from-stdin"],
    ],
    settings,
    takesCommand: true,
    options: watchOptions,
    run: runWatch,
  });
}

export function watchOptions(typed: Values<typeof settings>): WatchOptions {
  return { selection: selected(typed), format: typed.format, hook: typed, initial: !typed.noInitial };
}

/** @throws {UsageError} where settings of a command are given without one */
export async function runWatch(options: WatchOptions, context: Context): Promise<number> {
  const { selection, format, hook, initial } = options;
  const command = hookOf(hook, context);
  if (command === undefined && (hook.exitOnFailure || !initial)) {
    const setting = hook.exitOnFailure ? settings.exitOnFailure : settings.noInitial;
    throw new UsageError(`${named(setting)} needs ${named(settings.exec)}, or a command behind "--"`);
  }
  using interruption = context.system.interruption();
  using registry = await context.openRegistry();
  const { signal } = interruption;
  const events = follow(registry, selection, signal, context);
  if (command === undefined) {
    const { stdout } = context.system;
    for await (const event of events) {
      await Promise.race([
        stdout.write(format === "jsonl" ? jsonLine(event) : tableLines(event)),
        aborted(signal),
      ]);
      // Nobody reads on, or nobody wants to wait for somebody who reads slowly.
      if (!stdout.open || signal.aborted) break;
    }
    return ExitCode.done;
  }
  let exitCode: number = ExitCode.done;
  await actOnSettled(events, {
    settle: hook.settle,
    initial,
    signal,
    act: async (state) => {
      const code = await runFor(command, state, signal, context);
      if (code === 0) return "done";
      if (!hook.exitOnFailure || signal.aborted) return "failed";
      exitCode = code;
      return "give up";
    },
  });
  return exitCode;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

function object({ type, name, location }: RegisteredInstance): Record<string, unknown> {
  return { service: `${type}/${name}`, type, name, location };
}

function objects(instances: readonly RegisteredInstance[]): Record<string, unknown>[] {
  return instances.toSorted(compareInstances).map(object);
}

function jsonLine(event: WatchEvent): string {
  const { kind, revision } = event;
  const head = { event: kind, revision };
  switch (event.kind) {
    case "snapshot":
      return `${JSON.stringify({ ...head, services: objects(event.instances) })}\n`;
    case "resync":
      return `${JSON.stringify({ ...head, put: objects(event.put), deleted: objects(event.deleted) })}\n`;
    default:
      return `${JSON.stringify({ ...head, ...object(event.instance) })}\n`;
  }
}

function tableLines(event: WatchEvent): string {
  const line = (what: string, instance: RegisteredInstance): string =>
    `${what.padEnd(8)}  ${visible(label(instance)).padEnd(24)}  ${visible(instance.location)}\n`;
  const lines = (what: string, instances: readonly RegisteredInstance[]): string =>
    instances.toSorted(compareInstances).map((instance) => line(what, instance)).join("");
  switch (event.kind) {
    case "snapshot":
      return lines("there", event.instances);
    case "resync":
      return lines("put", event.put) + lines("delete", event.deleted);
    default:
      return line(event.kind, event.instance);
  }
}
