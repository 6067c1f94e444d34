/** The health checks of a definition. */
import { parseCheckAddress, parseCheckUrl } from "../../../definitions/check_targets.ts";
import type { CheckDefinition } from "../../../definitions/rules.ts";
import { UsageError } from "../../../errors.ts";
import type { Check } from "../../../registration/health.ts";
import type { TimedCheck } from "../../../registration/timed_checks.ts";
import { addressOf, hasAddress, type Instance } from "../../../registry/mod.ts";
import { shorten } from "../../../system/escape.ts";
import type { Context } from "../../shared/command.ts";
import { filledIfAny } from "../../shared/placeholders.ts";
import { serviceEnvironment } from "../../service/shared/environment.ts";

/**
 * @param what names a field of the definition in messages
 * @throws {UsageError} where the location of the instance has no address, and that is to be checked
 * @throws what `filled` throws
 */
export async function timedChecksOf(
  checks: readonly CheckDefinition[],
  instance: Instance,
  what: (field: string) => string,
  context: Context,
): Promise<TimedCheck[]> {
  if (checks.length === 0) return [];
  // They load parts of the runtime that are not needed otherwise.
  const { execCheck, httpCheck, tcpCheck } = await import("../../../registration/probes.ts");
  const noCa = (): Promise<undefined> => Promise.resolve(undefined);
  const fill = (i: number, kind: "tcp" | "http", text: string): Promise<string> =>
    filledIfAny(() => what(`checks[${i}].${kind}`), text, (text) => text, context);
  const checkOf = async ({ tcp, http, exec = "" }: CheckDefinition, i: number): Promise<Check> => {
    if (http !== undefined) {
      return httpCheck(parseCheckUrl(await fill(i, "http", http)), context.system, noCa);
    }
    if (tcp === undefined) return execCheck(exec, serviceEnvironment(instance, context), context.system);
    const target = parseCheckAddress(await fill(i, "tcp", tcp));
    const address = target === "location" ? addressOf(instance.location) : target;
    if (address !== undefined) return tcpCheck(address.host, address.port);
    throw new UsageError(
      `${what(`checks[${i}].tcp`)} can be location only for a service that must ${hasAddress}, ` +
        `not ${JSON.stringify(shorten(instance.location))}`,
    );
  };
  return await Promise.all(checks.map(async (check, i) => {
    const { interval = 10, timeout = 5, rise = 1, fall = 3 } = check;
    const times = { interval: interval * 1000, timeout: timeout * 1000, rise, fall, initialDelay: 0 };
    return { check: await checkOf(check, i), times };
  }));
}
