/** The one place where an error becomes a message and an exit code. */
import { EmpusaError, ExitCode, UsageError } from "../errors.ts";
import { Log } from "../system/log.ts";
import type { System } from "../system/mod.ts";
import { versionText } from "./version.ts";

/** How many different uncaught errors are logged. */
const mostLogged = 100;

/** The exit code of a command that has not finished, but has nothing left to wait for. */
export const unfinished = ExitCode.failed;

/**
 * Runs the command line `args`, and resolves to the exit code. It never rejects, and from then on no uncaught error ends
 * the process.
 */
export async function run(args: readonly string[], system: System): Promise<number> {
  const log = new Log(system.stderr);
  const logged = new Set<string>();
  system.onUncaught((error) => {
    const message = messageOf(error);
    // What fails again and again, as for each packet, is logged once.
    if (logged.has(message) || logged.size >= mostLogged) return;
    logged.add(message);
    void log.error(`unexpected failure; empusa continues: ${message}`);
    void log.debug(Deno.inspect(error));
  });
  try {
    // Without the command tree, which takes longer to build than all else.
    if (args.length === 1 && /^(-V|--version)$/.test(args[0] as string)) {
      await system.stdout.write(versionText());
      return ExitCode.done;
    }
    if (args[0] === "completions" && args[1] === "candidates") {
      const { complete } = await import("./completion.ts");
      await complete(args.slice(2), { system, log, onCall: () => {} });
      return ExitCode.done;
    }
    const { invoke } = await import("./invoke.ts");
    return await invoke(args, { system, log });
  } catch (error) {
    return await report(error, log);
  }
}

async function report(error: unknown, log: Log): Promise<number> {
  if (error instanceof EmpusaError) {
    const { withAdvice } = await import("../settings/advice.ts");
    await log.error(
      withAdvice(error.message, error.advice),
      error instanceof UsageError ? error.hint : undefined,
    );
    await log.debug(`caused by ${Deno.inspect(error.cause ?? error)}`);
    return error.exitCode;
  }
  if (error instanceof Deno.errors.NotCapable) {
    // "Requires net access to "etcd-1", run again with the --allow-net flag"
    await log.error(`Deno lacks a permission: ${error.message.replace(/^R/, "r")}`);
    return ExitCode.usage;
  }
  await log.error(`unexpected failure: ${messageOf(error)}`);
  await log.debug(Deno.inspect(error));
  return ExitCode.failed;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : `${error}`;
}
