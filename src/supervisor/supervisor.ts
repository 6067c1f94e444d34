/** Runs a command as a service: it starts the command, registers it while it is healthy, unregisters it, and stops it. */
import { delay } from "../system/delay.ts";
import { type ExitCode, NotStarted } from "../errors.ts";
import { stop } from "./child.ts";
import type { Check } from "../registration/health.ts";
import { ManagedRegistration } from "../registration/managed.ts";
import type { ManagedOptions } from "../registration/options.ts";
import { StatusReporter } from "../registration/reporter.ts";
import type { Instance, Registry } from "../registry/mod.ts";
import type { Log } from "../system/log.ts";
import type { Child, ChildEnvironment, Signal, System } from "../system/mod.ts";
import { Witness } from "./witness.ts";
import type { StopSignals } from "./stop_signals.ts";

/** What to do with the command if another process takes over the name. */
export const lossRules = ["continue", "stop"] as const;

export interface Supervision extends ManagedOptions {
  /** Milliseconds from the removal of the registration until the command gets the signal to stop. */
  readonly drain: number;
  /** Milliseconds from then until the command is killed. */
  readonly grace: number;
}

/** The instance that a command is registered as, its health checks, and the environment of the command. */
export interface Supervised {
  readonly instance: Instance;
  readonly checks: readonly Check[];
  readonly env: ChildEnvironment;
}

interface Context {
  readonly system: System;
  readonly log: Log;
  /** Milliseconds for one operation. */
  readonly timeout: number;
  /** The words behind `--` on the command line. */
  readonly command: readonly string[];
  readonly openRegistry: () => Promise<Registry>;
}

/** Signals that empusa only forwards to the command. */
const forwarded: readonly Signal[] = ["SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"];

/** Why the supervision ends. Without a signal, the command has exited by itself. */
interface End {
  /** The signal that stops the command. */
  readonly signal?: Signal;
  /** Whether the command has received the signal already. */
  readonly received?: Promise<boolean>;
  readonly error?: unknown;
  /** The exit code, in place of the command's. */
  readonly code?: ExitCode;
}

/**
 * Runs the command that follows `--`.
 * @returns the command's exit code; 127 or 126 if it cannot be started; `ExitCode.conflict` if it was stopped because
 * another process took over the name
 * @throws {EmpusaError} if it had to be registered and was not
 */
export async function supervise(
  supervised: Supervised,
  options: Supervision,
  stopSignals: StopSignals,
  context: Context,
): Promise<number> {
  const { system, log, command } = context;
  let child: Child | undefined;
  // A process group of its own can be killed whole. But a terminal belongs to one group at a time.
  const ownGroup = !system.stdinIsTerminal;
  using witness = ownGroup ? undefined : new Witness(system);
  /** Whether the command has received the signal already, together with empusa. */
  const received = async (signal: Signal): Promise<boolean> => await witness?.saw(signal) ?? false;
  using _forwarding = system.onSignals(forwarded, async (signal) => {
    if (!await received(signal)) child?.kill(signal);
  });
  using _orphans = system.adoptOrphans();
  try {
    child = system.spawn(command, { env: supervised.env, input: "ours", output: "ours", ownGroup });
  } catch (error) {
    if (!(error instanceof NotStarted)) throw error;
    await log.error(`cannot start ${JSON.stringify(command[0])}: ${error.message}`);
    return error.code;
  }
  const stopped = stopSignals.first.then((signal): End => ({ signal, received: received(signal) }));
  return await superviseChild(child, { supervised, options, stopSignals, stopped }, context);
}

/** Keeps the command registered until it exits or has to stop, then unregisters and stops it. */
async function superviseChild(
  child: Child,
  { supervised: { instance, checks }, options, stopSignals, stopped }: {
    readonly supervised: Supervised;
    readonly options: Supervision;
    readonly stopSignals: StopSignals;
    readonly stopped: Promise<End>;
  },
  context: Context,
): Promise<number> {
  const { system, log, command } = context;
  using reporter = new StatusReporter(log, system);
  reporter.report("info", `started ${command[0]} as process ${child.pid}`);
  const exited = child.ended.then((): End => ({}));
  using registry = await context.openRegistry();
  const session = registry.services.session(options.ttl);
  const managed = new ManagedRegistration(session, instance, options, reporter, context);
  const end = await Promise.race([
    exited,
    stopped,
    managed.run(checks).then(
      (failure): End => ({ signal: "SIGTERM", ...failure }),
      (error): End => ({ signal: "SIGTERM", error }),
    ),
  ]);
  reporter.stopping();
  const escalate = stopSignals.escalate();
  const drains = end.signal !== undefined && options.drain > 0 && !options.keepOnExit;
  const removedAt = await managed.close(escalate, drains);
  if (end.signal !== undefined) {
    const over = new AbortController();
    const drained = delay(
      removedAt + options.drain - performance.now(),
      AbortSignal.any([escalate, over.signal]),
    );
    await Promise.race([exited, drained]);
    over.abort();
    // Ctrl-C at a terminal has reached the command already.
    const signal = await end.received ? undefined : end.signal;
    await stop(child, { signal, grace: options.grace, escalate: stopSignals.escalate() });
  }
  if (drains) await managed.leave();
  const code = await child.ended;
  if (end.error !== undefined) throw end.error;
  return end.code ?? code;
}
