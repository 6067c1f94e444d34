/** What `pause` and `resume` are about: one instance, or all of a type. */
import { UsageError } from "../../../errors.ts";
import { formatsWithState } from "../../../formats/mod.ts";
import { instanceId, type RegisteredInstance, type Registry } from "../../../registry/mod.ts";
import { flag, oneOf, optional, settingName, type Values } from "../../../settings/settings.ts";
import type { Context } from "../../shared/command.ts";
import { print } from "./printing.ts";
import { identity } from "./settings.ts";

export const targeting = {
  serviceType: identity.serviceType,
  serviceName: optional({ ...identity.serviceName, meaning: "Instance name." }),
  all: flag({
    flag: "--all",
    env: "EMPUSA_PAUSE_ALL",
    meaning: "All instances of the type, those that are registered later too.",
  }),
  format: optional({
    flag: "--format",
    placeholder: "FORMAT",
    env: "EMPUSA_FORMAT",
    meaning: "Print the instances as they are then; nothing is printed if not given.",
    ...oneOf(formatsWithState),
  }),
} as const;

export interface Target {
  readonly type: string;
  /** Undefined for all. */
  readonly name: string | undefined;
  readonly format: Values<typeof targeting>["format"];
}

/** @throws {UsageError} unless just one of both is given */
export function targetOf(
  { serviceType: type, serviceName: name, all, format }: Values<typeof targeting>,
): Target {
  const [named, every] = [settingName(targeting.serviceName), settingName(targeting.all)];
  if (name === undefined && !all) throw new UsageError(`missing ${named}, or ${every}`);
  if (name !== undefined && all) throw new UsageError(`${named} and ${every} must not both be given`);
  return { type, name, format };
}

/** Prints what has become of the target, if that is asked for. */
export async function printTarget(
  instances: readonly RegisteredInstance[],
  { type, format }: Target,
  registry: Registry,
  context: Context,
): Promise<void> {
  if (format === undefined) return;
  await print(instances, { types: [type], all: true }, { format, strict: false }, registry, context);
}

/** The instances of the target, those out of use too. */
export async function instancesOf(
  registry: Registry,
  { type, name }: Target,
): Promise<readonly RegisteredInstance[]> {
  const selection = { types: [type], all: true };
  if (name === undefined) return (await registry.services.list(selection)).items;
  const found = await registry.services.get(instanceId({ type, name }), selection);
  return found === undefined ? [] : [found];
}
