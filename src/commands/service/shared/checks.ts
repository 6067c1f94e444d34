/** The settings that say how a service is looked at before others find it. */
import { parseCheckAddress, parseCheckUrl } from "../../../definitions/check_targets.ts";
import { UsageError } from "../../../errors.ts";
import { type Address, addressOf, hasAddress } from "../../../registry/mod.ts";
import type { Check, HealthOptions } from "../../../registration/health.ts";
import { serviceEnvironment } from "./environment.ts";
import { type Instance, tlsRules } from "../../../registry/mod.ts";
import type { Context } from "../../shared/command.ts";
import { readPem } from "../../../settings/access.ts";
import { seconds, wholeNumber } from "../../../settings/connection.ts";
import { list, optional, settingName, type Values, withDefault } from "../../../settings/settings.ts";

const mostRounds = 1000;

export const checking = {
  checkTcp: list({
    flag: "--check-tcp",
    placeholder: "ADDRESS",
    env: "EMPUSA_CHECK_TCP",
    meaning: "TCP check: healthy while HOST:PORT accepts connections; by default the location's.",
    bare: "location",
    parse: parseCheckAddress,
  }),
  checkHttp: list({
    flag: "--check-http",
    placeholder: "URL",
    env: "EMPUSA_CHECK_HTTP",
    meaning: "HTTP check: healthy while the URL answers with 2xx.",
    parse: parseCheckUrl,
  }),
  checkCaBundle: optional({
    flag: "--check-ca-bundle",
    placeholder: "FILE",
    env: "EMPUSA_CHECK_CA_BUNDLE",
    meaning: "Extra CAs (PEM) that --check-http trusts.",
    parse: (text) => text,
  }),
  checkExec: list({
    flag: "--check-exec",
    placeholder: "COMMAND",
    env: "EMPUSA_CHECK_EXEC",
    meaning: "Command check: healthy while this shell command exits with 0.",
    parse: (text) => text,
  }),
  checkInterval: withDefault("10", {
    flag: "--check-interval",
    placeholder: "SECONDS",
    env: "EMPUSA_CHECK_INTERVAL",
    meaning: "Time between checks; at most 1 until they pass for the first time.",
    parse: seconds(),
  }),
  checkTimeout: withDefault("5", {
    flag: "--check-timeout",
    placeholder: "SECONDS",
    env: "EMPUSA_CHECK_TIMEOUT",
    meaning: "Time limit of one check.",
    parse: seconds(),
  }),
  checkRise: withDefault("1", {
    flag: "--check-rise",
    placeholder: "NUMBER",
    env: "EMPUSA_CHECK_RISE",
    meaning: "Passing rounds in a row until it is healthy.",
    parse: wholeNumber(1, mostRounds),
  }),
  checkFall: withDefault("3", {
    flag: "--check-fall",
    placeholder: "NUMBER",
    env: "EMPUSA_CHECK_FALL",
    meaning: "Failing rounds in a row until it is unhealthy.",
    parse: wholeNumber(1, mostRounds),
  }),
  checkInitialDelay: withDefault("0", {
    flag: "--check-initial-delay",
    placeholder: "SECONDS",
    env: "EMPUSA_CHECK_INITIAL_DELAY",
    meaning: "Time before the first check.",
    parse: seconds({ orNone: true }),
  }),
} as const;

export type Checking = Values<typeof checking>;

/** Whether there is anything to check. */
export function hasChecks({ checkTcp, checkHttp, checkExec }: Checking): boolean {
  return checkTcp.length + checkHttp.length + checkExec.length > 0;
}

/**
 * The checks of an instance.
 * @throws {UsageError} where its location has no address, and that is to be checked; where the CAs cannot be read
 */
export async function checksOf(checks: Checking, instance: Instance, context: Context): Promise<Check[]> {
  if (!hasChecks(checks)) return [];
  // They load parts of the runtime that are not needed otherwise.
  const { execCheck, httpCheck, tcpCheck } = await import("../../../registration/probes.ts");
  const { checkTcp, checkHttp, checkExec } = checks;
  const ca = await trusted(checks, context);
  const env = serviceEnvironment(instance, context);
  return [
    ...checkTcp.map((given) => {
      const { host, port } = given === "location" ? addressOfInstance(instance) : given;
      return tcpCheck(host, port);
    }),
    ...checkHttp.map((url) => httpCheck(url, context.system, ca)),
    ...checkExec.map((line) => execCheck(line, env, context.system)),
  ];
}

/**
 * Reads the CAs that are trusted besides the runtime's. The file is read again for each check, as CAs change while a
 * service runs; if it cannot be used then, what was read last counts.
 */
async function trusted(
  { checkCaBundle, checkHttp }: Checking,
  { system }: Context,
): Promise<() => Promise<string | undefined>> {
  if (checkCaBundle === undefined) return () => Promise.resolve(undefined);
  if (!checkHttp.some(({ protocol }) => protocol === "https:")) {
    throw new UsageError(
      `${settingName(checking.checkCaBundle)} needs ${settingName(checking.checkHttp)} with an https URL`,
    );
  }
  const { parseCaBundle } = await tlsRules();
  const read = async (): Promise<string> =>
    `${await readPem(checking.checkCaBundle, checkCaBundle, parseCaBundle, system)}`;
  let last = await read();
  return async () => last = await read().catch(() => last);
}

function addressOfInstance({ location }: Instance): Address {
  const address = addressOf(location);
  if (address !== undefined) return address;
  throw new UsageError(
    `${settingName(checking.checkTcp)} without a value needs a service that must ${hasAddress}, ` +
      `not ${JSON.stringify(location)}`,
  );
}

/** How the checks are made. */
export function healthOptions(checks: Checking): Omit<HealthOptions, "signal"> {
  return {
    interval: checks.checkInterval * 1000,
    timeout: checks.checkTimeout * 1000,
    rise: checks.checkRise,
    fall: checks.checkFall,
    initialDelay: checks.checkInitialDelay * 1000,
  };
}
