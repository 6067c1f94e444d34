/** What a definition is on this host: an instance, with what its placeholders stand for. */
import type { ServiceDefinition } from "../../../definitions/rules.ts";
import { InvalidValueError, UsageError } from "../../../errors.ts";
import { type Instance, mirrorsOf, parseLocation, parseName } from "../../../registry/mod.ts";
import type { Context } from "../../shared/command.ts";
import { filledIfAny } from "../../shared/placeholders.ts";

/**
 * @param what names a field of the definition in messages
 * @throws {UsageError} where a field with its placeholders filled in breaks its rule, or a mirror cannot express the instance
 * @throws {UnreachableError} where a placeholder takes the way to etcd, and there is none
 */
export async function instanceFrom(
  { type, tags, meta, weight, mirrors, ...texts }: ServiceDefinition,
  what: (field: string) => string,
  context: Context,
): Promise<Instance> {
  const filledIn = (field: "name" | "location", parse: (text: string) => string): Promise<string> =>
    filledIfAny(() => what(field), texts[field], parse, context);
  const instance: Instance = {
    type,
    name: await filledIn("name", parseName),
    location: await filledIn("location", parseLocation),
    // In one order, so that another one in the file is no change.
    metadata: {
      tags: [...new Set(tags)],
      meta: Object.fromEntries(Object.entries(meta).sort(([a], [b]) => a < b ? -1 : 1)),
      weight,
    },
    mirrors: [...new Set(mirrors)],
  };
  try {
    mirrorsOf(instance, context.treeRoot);
  } catch (error) {
    if (!(error instanceof InvalidValueError)) throw error;
    throw new UsageError(`${what("mirrors")} must ${error.message}`);
  }
  return instance;
}
