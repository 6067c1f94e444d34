import { ExitCode } from "../../errors.ts";
import type { AnyCommand } from "../../settings/settings.ts";
import { type Context, leaf, type Program } from "../shared/command.ts";
import { codeFor, desiredFrom, printChanges, type Settings, settings } from "./shared/definitions.ts";

export function diffCommand(program: Program): AnyCommand {
  return leaf(program, {
    description:
      "Print what apply would change. Exits with 0 if nothing would, and with 1 if something would.",
    examples: [["before applying", "diff -f services.d --set host-7 --prune"]],
    settings,
    options: (typed): Settings => typed,
    run: runDiff,
  });
}

/** @throws {UsageError} if there are mistakes in the definitions */
export async function runDiff(options: Settings, context: Context): Promise<ExitCode> {
  const desired = await desiredFrom(options, context);
  using registry = await context.openRegistry();
  const { planned } = await registry.services.planApply(desired, options);
  await printChanges(planned, options, context);
  const changes = planned.some(({ action }) => action !== "conflict");
  return changes ? ExitCode.no : codeFor(planned);
}
