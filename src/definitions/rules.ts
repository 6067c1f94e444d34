/** The rules for definitions: of this schema come the checks, the types and the JSON Schema for editors. */
import * as z from "zod/mini";
import { InvalidValueError } from "../errors.ts";
import {
  checkMirrors,
  maxTtl,
  maxWeight,
  parseLocation,
  parseMirror,
  parseName,
  parsePairs,
  parseTags,
} from "../registry/mod.ts";
import { maxSeconds } from "../system/delay.ts";
import { shorten } from "../system/escape.ts";
import { parseCheckAddress, parseCheckUrl } from "./check_targets.ts";
import { placeholder, withPlaceholders } from "./placeholders.ts";

/** A rule of the options: an error completes "must …". */
function obeys<T>(parse: (value: T) => unknown): (context: z.core.ParsePayload<T>) => void {
  return ({ value, issues }) => {
    try {
      parse(value);
    } catch (error) {
      if (!(error instanceof InvalidValueError)) throw error;
      const which = error.value === undefined ? "" : `, not ${JSON.stringify(shorten(error.value, 80))}`;
      issues.push({ code: "custom", message: `${error.message}${which}`, input: value });
    }
  };
}

function described<T extends z.ZodMiniType>(schema: T, description: string, more: object = {}): T {
  z.globalRegistry.add(schema, { description, ...more });
  return schema;
}

const text = (): z.ZodMiniString =>
  z.string({
    error: ({ input }) => input === undefined ? "be given" : "be a text: quote numbers and words such as yes",
  });
const wholeNumber = (least: number, most: number): z.ZodMiniNumberFormat => {
  const error = `be a whole number, at least ${least} and at most ${most}`;
  return z.int({ error }).check(
    z.minimum(least, { error }),
    z.maximum(most, { error }),
  ) as z.ZodMiniNumberFormat;
};
const seconds = (): z.ZodMiniNumber => {
  const error = `be seconds, more than 0 and at most ${maxSeconds}`;
  return z.number({ error }).check(z.gt(0, { error }), z.maximum(maxSeconds, { error })) as z.ZodMiniNumber;
};
const listOf = <T extends z.ZodMiniType>(schema: T): z.ZodMiniArray<T> =>
  z.array(schema, { error: ({ input }) => input === undefined ? "be given" : "be a list" });

/** What a location and the target of a check may hold. */
const ofHost = ["{hostname}", "{ip}", "{ip:INTERFACE}"];

/** The rule for the target of a check, whatever its placeholders stand for. */
function inCheck(parse: (text: string) => unknown): (text: string) => string {
  return (text) => {
    parse(text.replace(placeholder, "host"));
    return text;
  };
}

const check = z.strictObject({
  tcp: z.optional(
    described(
      text().check(obeys(withPlaceholders(ofHost, inCheck(parseCheckAddress)))),
      "Healthy while HOST:PORT accepts connections; location means the instance's.",
    ),
  ),
  http: z.optional(
    described(
      text().check(obeys(withPlaceholders(ofHost, inCheck(parseCheckUrl)))),
      "Healthy while the URL answers with 2xx.",
      {
        format: "uri",
      },
    ),
  ),
  exec: z.optional(described(text(), "Healthy while this shell command line exits with 0.")),
  interval: z.optional(described(seconds(), "Seconds between two checks.")),
  timeout: z.optional(described(seconds(), "Seconds that one check may take.")),
  rise: z.optional(described(wholeNumber(1, 1000), "Passing checks in a row until it is healthy.")),
  fall: z.optional(described(wholeNumber(1, 1000), "Failing checks in a row until it is unhealthy.")),
}, { error: notAnObject }).check(({ value, issues }) => {
  const kinds = ["tcp", "http", "exec"].filter((kind) => kind in value);
  if (kinds.length !== 1) {
    issues.push({ code: "custom", message: "have just one of tcp, http and exec", input: value });
  }
});

const service = z.strictObject({
  type: described(
    text().check(obeys((type) => {
      if (type.includes(",")) throw new InvalidValueError('hold no ","');
      parseName(type);
    })),
    "Service type.",
    { minLength: 1, maxLength: 255 },
  ),
  name: z._default(
    described(
      text().check(obeys(withPlaceholders(["{hostname}", "{pid}"], parseName))),
      "Instance name, unique within its type; {hostname} and {pid} are replaced.",
      { minLength: 1, maxLength: 255 },
    ),
    "{hostname}",
  ),
  location: described(
    text().check(obeys(withPlaceholders(ofHost, parseLocation))),
    "Location: host:port, [v6]:port, a URL, or unix:/path; {ip} is this host's address towards etcd.",
    { minLength: 1, maxLength: 4096 },
  ),
  ttl: z.optional(described(wholeNumber(1, maxTtl), "Seconds until etcd removes it without a refresh.")),
  tags: z._default(described(listOf(text()).check(obeys(parseTags)), "Tags, for readers to select by."), []),
  meta: z._default(
    described(
      z.record(z.string(), text(), { error: "be pairs of texts" }).check(
        obeys((meta) => parsePairs(Object.entries(meta).map(([key, value]) => `${key}=${value}`))),
      ),
      "Metadata: keys and values.",
    ),
    {},
  ),
  weight: z._default(
    described(wholeNumber(1, maxWeight), "Share of the requests, beside the weights of other instances."),
    1,
  ),
  mirrors: z._default(
    described(
      listOf(text().check(obeys(parseMirror))).check(obeys(checkMirrors)),
      "Other layouts to register in, such as grpc=/grpc.",
    ),
    [],
  ),
  checks: z._default(described(listOf(check), "Health checks, for the agent: all must pass."), []),
  drain: z.optional(
    described(seconds(), "Seconds that the agent waits on exit after it has taken the instance out of use."),
  ),
}, { error: notAnObject });

/** A document of definitions. */
export const document = z.strictObject({
  $schema: z.optional(described(text(), "The address of this schema, for editors.")),
  services: described(listOf(service), "The services of this host."),
}, { error: notAnObject });

/** One service, as a document has it. */
export type ServiceDefinition = z.infer<typeof service>;

/** One of its checks. */
export type CheckDefinition = ServiceDefinition["checks"][number];

function notAnObject(issue: { code?: string; keys?: readonly string[] }): string {
  return issue.code === "unrecognized_keys"
    ? `not hold ${(issue.keys ?? []).map((key) => JSON.stringify(key)).join(", ")}`
    : "be an object";
}

/** A rule that a service breaks. */
export interface BrokenRule {
  /** What breaks it: `["checks", 0, "interval"]`. */
  readonly path: readonly (string | number)[];
  /** Completes "must …". */
  readonly message: string;
}

/** A service that is in no document, such as a container's: by the same rules its definition, or those that it breaks. */
export function parseService(
  value: unknown,
): { readonly service: ServiceDefinition } | { readonly broken: readonly BrokenRule[] } {
  const result = service.safeParse(value);
  if (result.success) return { service: result.data };
  return {
    broken: result.error.issues.map(({ path, message }) => ({ path: path as BrokenRule["path"], message })),
  };
}

/** The JSON Schema (2020-12) of a document, for editors. */
export function jsonSchema(): unknown {
  return z.toJSONSchema(document, { io: "input" });
}
