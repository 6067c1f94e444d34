/** The service definitions of a Consul agent (`service {}`, `services []`), as far as empusa has words for them. */

import { isObject } from "../system/json.ts";

type Path = readonly (string | number)[];
type Fields = Readonly<Record<string, unknown>>;

export interface FromConsul {
  /** The same as a document of ours. */
  readonly document: { readonly services: readonly Fields[] };
  /** Where something of that document is in Consul's. */
  readonly pathOf: (path: Path) => Path;
  /** What cannot be carried over. */
  readonly warnings: readonly { readonly path: Path; readonly message: string }[];
}

/** The services of a document, if it is one of Consul's; undefined if it is not. */
export function consulServices(document: unknown): FromConsul | undefined {
  if (!isObject(document)) return undefined;
  const { service, services = [], ...others } = document;
  if (!Array.isArray(services)) return undefined;
  const all: readonly (readonly [Path, unknown])[] = [
    ...service === undefined ? [] : [[["service"], service] as const],
    ...services.map((one, i) => [["services", i], one] as const),
  ];
  if (all.length === 0 || !all.every(([, one]) => isConsuls(one))) return undefined;
  const warnings: { path: Path; message: string }[] = [];
  for (const field of Object.keys(others)) warnings.push({ path: [field], message: leftOut });
  const converted = all.map(([path, one]) => convert(one as Fields, path, warnings));
  return {
    document: { services: converted },
    pathOf: ([, index, field, ...rest]) => {
      const [path = []] = all[Number(index ?? 0)] ?? [];
      const theirs = typeof field === "string" ? consulFields.get(field) ?? field : field;
      return theirs === undefined ? path : [...path, theirs, ...rest];
    },
    warnings,
  };
}

/** Whether a service has words that Consul alone has for it, and none of ours. */
function isConsuls(service: unknown): boolean {
  return isObject(service) && "name" in service &&
    ["id", "port", "address"].some((field) => field in service) &&
    !["type", "location"].some((field) => field in service);
}

/** The fields that Consul calls otherwise, by our names. */
const consulFields = new Map([["type", "name"], ["name", "id"], ["location", "port"]]);

const leftOut = "is left out: empusa has no such setting";

const carried = ["id", "name", "address", "port", "tags", "meta", "weights", "check", "checks"];

function convert(fields: Fields, path: Path, warnings: { path: Path; message: string }[]): Fields {
  const { id, name, address = "", port, tags = [], meta = {}, weights, check, checks = [] } = fields;
  for (const field of Object.keys(fields)) {
    if (!carried.includes(field)) {
      warnings.push({ path: [...path, field], message: leftOut });
    }
  }
  const host = typeof address === "string" && address !== "" ? address.replace(/^\[|\]$/g, "") : "{ip}";
  const weight = isObject(weights) ? weights["passing"] ?? weights["Passing"] : undefined;
  const all = [
    ...check === undefined ? [] : [["check", check] as const],
    ...Array.isArray(checks) ? checks.map((one, i) => [i, one] as const) : [],
  ];
  return {
    type: name,
    name: id ?? "{hostname}",
    // What is no number is a mistake, as there is no location then.
    ...port === undefined || typeof port === "number"
      ? { location: port === undefined ? host : `${host.includes(":") ? `[${host}]` : host}:${port}` }
      : {},
    tags,
    meta,
    ...weight === undefined ? {} : { weight },
    checks: all.flatMap(([at, one]) => {
      const place = at === "check" ? [...path, "check"] : [...path, "checks", at];
      const converted = isObject(one) ? checkOf(one) : undefined;
      for (const field of isObject(one) ? Object.keys(one) : []) {
        if (converted !== undefined && !checkFields.includes(field)) {
          warnings.push({ path: [...place, field], message: leftOut });
        }
      }
      if (converted === undefined) {
        warnings.push({ path: place, message: "is left out: empusa checks tcp, http and args" });
      }
      return converted ?? [];
    }),
  };
}

const checkFields = [
  ...["id", "name", "notes", "tcp", "http", "args", "interval", "timeout"],
  ...["success_before_passing", "failures_before_critical"],
];

function checkOf(
  { tcp, http, args, interval, timeout, success_before_passing: rise, failures_before_critical: fall }:
    Fields,
): Fields | undefined {
  const kind = tcp !== undefined
    ? { tcp }
    : http !== undefined
    ? { http }
    : Array.isArray(args)
    ? { exec: args.map((word) => quoted(`${word}`)).join(" ") }
    : undefined;
  if (kind === undefined) return undefined;
  const times = Object.entries({ interval: goDuration(interval), timeout: goDuration(timeout) });
  const counts = Object.entries({ rise: plusOne(rise), fall: plusOne(fall) });
  return { ...kind, ...Object.fromEntries([...times, ...counts].filter(([, value]) => value !== undefined)) };
}

/** Consul's count leaves out the check that changes the state; empusa's includes it. */
function plusOne(count: unknown): number | undefined {
  return typeof count === "number" ? count + 1 : undefined;
}

/** A duration of Go such as `1m30s`, in seconds; anything else as it is, for the rules to refuse. */
export function goDuration(text: unknown): unknown {
  if (typeof text !== "string") return text;
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)];
  if (parts.length === 0 || parts.map(([whole]) => whole).join("") !== text) return text;
  const units = { ms: 0.001, s: 1, m: 60, h: 3600 } as const;
  return parts.reduce((sum, [, count, unit]) => sum + Number(count) * units[unit as keyof typeof units], 0);
}

/** A word as a shell reads it. */
function quoted(word: string): string {
  return /^[A-Za-z0-9_./:@%+=,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
