import { ExitCode } from "../../errors.ts";
import { type Context, leaf, type Program } from "../shared/command.ts";
import { instanceId } from "../../registry/mod.ts";
import type { AnyCommand } from "../../settings/settings.ts";
import { identity } from "./shared/settings.ts";

export interface UnregisterOptions {
  readonly type: string;
  readonly name: string;
}

export function unregisterCommand(program: Program): AnyCommand {
  return leaf(program, {
    description: "Unregister an instance. Succeeds if it is not registered.",
    examples: [["remove it", "service unregister --service-type web --service-name web-1"]],
    settings: identity,
    options: ({ serviceType: type, serviceName: name }): UnregisterOptions => ({ type, name }),
    run: runUnregister,
  });
}

export async function runUnregister({ type, name }: UnregisterOptions, context: Context): Promise<ExitCode> {
  using registry = await context.openRegistry();
  const removed = await registry.services.remove(instanceId({ type, name }));
  await context.log.info(removed ? `unregistered ${type}/${name}` : `already unregistered: ${type}/${name}`);
  return ExitCode.done;
}
