import type { ExitCode } from "../../errors.ts";
import { type AnyCommand, flag, type Values } from "../../settings/settings.ts";
import { type Context, leaf, type Program } from "../shared/command.ts";
import { codeFor, desiredFrom, printChanges, settings as shared, summary } from "./shared/definitions.ts";

const settings = {
  ...shared,
  dryRun: flag({
    flag: "--dry-run",
    env: "EMPUSA_DRY_RUN",
    meaning: "Change nothing, and print what would change.",
  }),
} as const;

export type ApplyOptions = Values<typeof settings>;

export function applyCommand(program: Program): AnyCommand {
  return leaf(program, {
    description: "Register what definitions say, once. Exits with 5 if somebody else has one of the names.",
    examples: [
      ["a database that nobody keeps registered", "apply -f database.yaml"],
      ["a folder, removing what it no longer defines", "apply -f services.d --set host-7 --prune"],
    ],
    settings,
    options: (typed): ApplyOptions => typed,
    run: runApply,
  });
}

/** @throws {UsageError} if there are mistakes in the definitions; then nothing was done */
export async function runApply(options: ApplyOptions, context: Context): Promise<ExitCode> {
  const desired = await desiredFrom(options, context);
  using registry = await context.openRegistry();
  const { planned, unchanged } = options.dryRun
    ? await registry.services.planApply(desired, options)
    : await registry.services.apply(desired, options);
  await printChanges(planned, options, context);
  await context.log.info(`${options.dryRun ? "would be: " : ""}${summary(planned, unchanged)}`);
  return codeFor(planned);
}
