/** A command that runs as a service: started, registered while it is healthy, removed, stopped. */
import { delay } from "../system/delay.ts";
import { type ExitCode, NotStarted } from "../errors.ts";
import { stop } from "./child.ts";
import type { Check } from "../registration/health.ts";
import { type ManagedOptions, ManagedRegistration } from "../registration/managed.ts";
import { StatusReporter } from "../registration/reporter.ts";
import type { Instance, Registry } from "../registry/mod.ts";
import type { Log } from "../system/log.ts";
import type { Child, ChildEnvironment, Signal, System } from "../system/mod.ts";
import { Witness } from "./witness.ts";
import type { StopRequests } from "./stop_requests.ts";

/** What becomes of the command when somebody else has taken the name over. */
export const lossRules = ["continue", "stop"] as const;

export interface Supervision extends ManagedOptions {
  /** Milliseconds from when it is removed until the command is told to stop, and from then until it is killed. */
  readonly drain: number;
  readonly grace: number;
}

/** What a command is registered as, how its health is checked, and what it finds in its environment. */
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
  /** What stands behind `--` on the command line. */
  readonly command: readonly string[];
  readonly openRegistry: () => Promise<Registry>;
}

/** Signals that mean nothing to us. */
const forwarded: readonly Signal[] = ["SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"];

/** Why it is over: the command has ended by itself; or it is to be stopped by this signal, maybe because we failed. */
export interface End {
  readonly signal?: Signal;
  /** Whether the command has heard the signal already. */
  readonly heard?: Promise<boolean>;
  readonly error?: unknown;
  /** The exit code, in place of the command's. */
  readonly code?: ExitCode;
}

/**
 * Runs the command that stands behind `--`.
 * @returns the command's exit code; 127 or 126 where it cannot be started; `ExitCode.conflict` where it was stopped because it lost
 * its name
 * @throws {EmpusaError} where it had to be registered and was not
 */
export async function supervise(
  { instance, checks, env }: Supervised,
  options: Supervision,
  requests: StopRequests,
  context: Context,
): Promise<number> {
  const { system, log, command } = context;
  let child: Child | undefined;
  // Only apart from us does a child that is killed leave nobody behind; but a terminal is for one group at a time.
  const ownGroup = !system.stdinIsTerminal;
  using witness = ownGroup ? undefined : new Witness(system);
  /** Whether the command has heard a signal already, together with us. */
  const heard = async (signal: Signal): Promise<boolean> => await witness?.saw(signal) ?? false;
  using _forwarding = system.onSignals(forwarded, async (signal) => {
    if (!await heard(signal)) child?.kill(signal);
  });
  using _orphans = system.adoptOrphans();
  try {
    child = system.spawn(command, { env, input: "ours", output: "ours", ownGroup });
  } catch (error) {
    if (!(error instanceof NotStarted)) throw error;
    await log.error(`cannot start ${JSON.stringify(command[0])}: ${error.message}`);
    return error.code;
  }
  using reporter = new StatusReporter(log, system);
  reporter.report("info", `started ${command[0]} as process ${child.pid}`);
  const ended = child.ended.then((): End => ({}));
  using registry = await context.openRegistry();
  const managed = new ManagedRegistration(
    registry.session(options.ttl),
    instance,
    options,
    reporter,
    context,
  );
  const end = await Promise.race([
    ended,
    requests.first.then((signal): End => ({ signal, heard: heard(signal) })),
    managed.run(checks).then(
      (failure): End => ({ signal: "SIGTERM", ...failure }),
      (error): End => ({ signal: "SIGTERM", error }),
    ),
  ]);
  reporter.stopping();
  const hurry = requests.hurry();
  const removed = await managed.close(hurry);
  if (end.signal !== undefined) {
    const over = new AbortController();
    const drained = delay(removed + options.drain - performance.now(), AbortSignal.any([hurry, over.signal]));
    await Promise.race([ended, drained]);
    over.abort();
    // Who types Ctrl-C has told it already.
    const signal = await end.heard ? undefined : end.signal;
    await stop(child, { signal, grace: options.grace, hurry: requests.hurry() });
  }
  const code = await child.ended;
  if (end.error !== undefined) throw end.error;
  return end.code ?? code;
}
