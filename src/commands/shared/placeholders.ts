/** What stands for itself in the name and the location of a service: `{hostname}`, `{pid}`, `{ip}`, `{ip:eth0}`. */
import { placeholder } from "../../definitions/placeholders.ts";
import { InvalidValueError, UnreachableError, UsageError } from "../../errors.ts";
import { delay } from "../../system/delay.ts";
import { hostAndPort } from "../../registry/mod.ts";
import { invalidValue } from "../../settings/settings.ts";
import type { Context } from "./command.ts";

/**
 * A text with what its placeholders stand for, which has to obey the rule as well.
 * @param what names it in messages
 * @throws {UsageError} where it does not, or there is no such network interface
 * @throws {UnreachableError} where it takes the way to etcd, and there is none
 */
export async function filled(
  what: string,
  text: string,
  parse: (text: string) => string,
  context: Context,
): Promise<string> {
  const { system } = context;
  let result = "";
  let end = 0;
  for (const match of text.matchAll(placeholder)) {
    const [whole, open = "", name, which, close = ""] = match;
    result += text.slice(end, match.index);
    end = match.index + whole.length;
    if (name === "hostname") result += `${open}${system.hostname()}${close}`;
    else if (name === "pid") result += `${open}${system.pid}${close}`;
    else {
      const ip = which === undefined ? await towardsEtcd(what, context) : addressAt(what, which, context);
      // IPv6 has brackets, as in [v6]:port, and IPv4 has none, whether they were written or not.
      const isBracketed = open + close === "[]";
      if (ip.includes(":")) {
        result += isBracketed || open === "" ? `[${ip}]${isBracketed ? "" : close}` : open + ip + close;
      } else result += isBracketed ? ip : open + ip + close;
    }
  }
  result += text.slice(end);
  try {
    return parse(result);
  } catch (error) {
    if (!(error instanceof InvalidValueError)) throw error;
    throw invalidValue(what, error.message, result);
  }
}

/**
 * Likewise, for a text that obeys the rule as it is. Most have no placeholder, and need no name for messages.
 * @param what tells the name
 */
export async function filledIfAny(
  what: () => string,
  text: string,
  parse: (text: string) => string,
  context: Context,
): Promise<string> {
  return text.includes("{") ? await filled(what(), text, parse, context) : text;
}

/** The address that this machine uses towards the endpoint to which a way is found first. */
async function towardsEtcd(
  what: string,
  { endpoints, timeout, system }: Context,
): Promise<string> {
  const over = new AbortController();
  const late = delay(timeout, over.signal).then(() =>
    Promise.reject(new Error(`not within ${timeout / 1000} s`))
  );
  // Nobody may be waiting for it.
  late.catch(() => {});
  const hosts = endpoints.map((endpoint) => hostAndPort(endpoint).host);
  try {
    // All at once, so that a name server that is silent about one does not keep the others waiting.
    return await Promise.any(hosts.map((host) => Promise.race([system.sourceAddress(host), late])));
  } catch (error) {
    const failures = (error as AggregateError).errors.map(({ message }, i) => `${hosts[i]}: ${message}`);
    throw new UnreachableError(
      `cannot find out the address that this machine uses towards etcd, {ip} in ${what}: ` +
        failures.join("; "),
      { advice: ["endpoint"] },
    );
  } finally {
    over.abort();
  }
}

function addressAt(what: string, networkInterface: string, { system }: Context): string {
  const all = system.networkInterfaces();
  const [address] = all.get(networkInterface) ?? [];
  if (address !== undefined) return address;
  throw new UsageError(
    `${what} names the network interface ${JSON.stringify(networkInterface)}, which has no address; ` +
      `those that have one are ${[...all.keys()].join(", ")}`,
  );
}

/** Whether only this machine can reach a location, as far as the location shows. */
export function isLocal(location: string): boolean {
  return /^(127\.\d+\.\d+\.\d+|0\.0\.0\.0|(.*\.)?localhost\.?|\[::(1|ffff:(7f[\da-f]{2}:[\da-f]+|0:0))?\])$/
    .test(normalHost(location));
}

/** The host of a location in the one spelling that URLs give it: `127.1`, `0` and `0x7f.1` are addresses too. */
function normalHost(location: string): string {
  const [, bare] = /^(\[[^\]]*\]|[^:/[\]]*)(?::\d+)?$/.exec(location) ?? [];
  const host = bare ?? URL.parse(location)?.hostname ?? location;
  return URL.parse(`http://${host.includes(":") && !host.startsWith("[") ? `[${host}]` : host}/`)?.hostname ??
    host.toLowerCase();
}
