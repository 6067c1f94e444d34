import { EmpusaError, ExitCode, InvalidValueError, UsageError } from "../errors.ts";
import { resultFor } from "../system/escape.ts";
import { table } from "../formats/columns.ts";
import { jsonArray } from "../formats/json.ts";
import {
  type Access,
  type Adopted,
  type AdoptOptions,
  type Endpoint,
  type OldEntry,
  parseAdoptable,
  parseEndpoints,
  readOldStore,
  showEndpoint,
} from "../registry/mod.ts";
import { type Context, leaf, type Program } from "./shared/command.ts";
import { formatSetting } from "./shared/format.ts";
import { type AnyCommand, flag, parseSetting, required, settingName } from "../settings/settings.ts";

/** What stands for the etcd of the registry itself; no endpoint is called that. */
const same = "same";

const settings = {
  fromEtcdV2: required({
    flag: "--from-etcd-v2",
    placeholder: "ENDPOINT",
    env: "EMPUSA_FROM_ETCD_V2",
    meaning: `Read the v2 API of this etcd; without a value, or for the word ${same}, of --etcd-endpoint.`,
    bare: same,
    // It takes the protocol of the registry to be understood.
    parse: (text) => text,
  }),
  overwrite: flag({
    flag: "--overwrite",
    env: "EMPUSA_OVERWRITE",
    meaning: "Replace entries that have another value and no TTL.",
  }),
  dryRun: flag({
    flag: "--dry-run",
    env: "EMPUSA_DRY_RUN",
    meaning: "Print what would change, and change nothing.",
  }),
  format: formatSetting(["table", "json"], "table"),
} as const;

export interface ImportOptions extends AdoptOptions {
  /** Where the v2 API is, as endpoints are typed; undefined: where the registry is. */
  readonly source: string | undefined;
  readonly format: "table" | "json";
}

export function importCommand(program: Program): AnyCommand {
  return leaf(program, {
    description:
      "Copy services and switches without a TTL from the v2 API of etcd, where the Python empusa stored them.",
    examples: [
      ["print what would be copied", "import --from-etcd-v2 --dry-run"],
      ["copy it within one etcd 3.4 or 3.5", "import --from-etcd-v2"],
      [
        "copy it from an old etcd to a new one",
        "import --from-etcd-v2 old-etcd:2379 --etcd-endpoint new-etcd:2379",
      ],
    ],
    settings,
    options: ({ fromEtcdV2, overwrite, dryRun, format }): ImportOptions => ({
      source: fromEtcdV2 === same ? undefined : fromEtcdV2,
      overwrite,
      dryRun,
      format,
    }),
    run: runImport,
  });
}

/** What became of an entry of the v2 API. */
type Outcome =
  | Adopted
  /** It has a TTL there, so whatever refreshes it registers it here. */
  | { readonly state: "expires" }
  | { readonly state: "invalid"; readonly rule: string }
  /** Something failed before it, or at it. */
  | { readonly state: "pending" };

interface Row {
  readonly entry: OldEntry;
  outcome: Outcome;
}

/** How many entries are stored at the same time. */
const atOnce = 16;

/**
 * @throws {UsageError} where the source cannot be understood
 * @throws {EmpusaError} what reading it throws, or the first failure of writing, with what was done before
 */
export async function runImport(options: ImportOptions, context: Context): Promise<number> {
  const source = sourceOf(options, context);
  const entries = await read(source, options, context);
  const rows = entries.map((entry): Row => ({ entry, outcome: firstLook(entry) }));
  using interruption = context.system.interruption();
  const failure = await adoptAll(rows, options, interruption.signal, context);
  await print(rows, options, context);
  const summary = summarize(rows, options);
  const goesOn = "run it again to continue";
  if (failure !== undefined) {
    const { advice, exitCode } = failure;
    const message = `the import was cut short (${summary}): ${failure.message}; ${goesOn}`;
    throw new EmpusaError(message, { cause: failure, advice, exitCode });
  }
  const has = (...states: readonly Outcome["state"][]): boolean =>
    rows.some(({ outcome }) => states.includes(outcome.state));
  if (has("pending")) {
    await context.log.warn(`the import was interrupted (${summary}); ${goesOn}`);
    return interruption.code;
  }
  await context.log.info(summary);
  return has("invalid") ? ExitCode.failed : has("different") ? ExitCode.conflict : ExitCode.done;
}

/** Reads the old store, and says in an error that it was there. */
async function read(
  source: readonly Endpoint[],
  options: ImportOptions,
  context: Context,
): Promise<OldEntry[]> {
  try {
    return await readOldStore(source, await accessTo(source, context), context);
  } catch (error) {
    if (!(error instanceof EmpusaError) || error instanceof UsageError) throw error;
    const { message, exitCode } = error;
    // Where they are looked for is not what the advice for an endpoint names.
    const advice = error.advice.filter((item) => item !== "endpoint" || options.source === undefined);
    throw new EmpusaError(`cannot import from ${settingName(settings.fromEtcdV2)}: ${message}`, {
      cause: error,
      exitCode,
      advice,
    });
  }
}

function sourceOf({ source }: ImportOptions, { endpoints }: Context): readonly Endpoint[] {
  if (source === undefined) return endpoints;
  const protocol = endpoints[0]?.protocol ?? "http";
  return parseSetting(settings.fromEtcdV2, source, (text) => parseEndpoints(text, protocol));
}

/** By the same settings as the registry, except that the password is for that etcd alone. */
async function accessTo(source: readonly Endpoint[], { accessTo, endpoints }: Context): Promise<Access> {
  const known = endpoints.map(showEndpoint);
  const isSame = source.every((endpoint) => known.includes(showEndpoint(endpoint)));
  if (!isSame && source.every(({ protocol }) => protocol === "http")) return {};
  const { tls, login } = await accessTo(source);
  return { ...tls === undefined ? {} : { tls }, ...login !== undefined && isSame ? { login } : {} };
}

/** What is to be said of an entry without a look at the registry; `pending` where it is to be copied. */
function firstLook(entry: OldEntry): Outcome {
  try {
    parseAdoptable(entry);
  } catch (error) {
    if (!(error instanceof InvalidValueError)) throw error;
    return { state: "invalid", rule: error.message };
  }
  return { state: entry.expires ? "expires" : "pending" };
}

/** Copies what is pending, several at a time, until the signal is aborted. The first failure, after which no entry is begun. */
async function adoptAll(
  rows: readonly Row[],
  options: AdoptOptions,
  signal: AbortSignal,
  context: Context,
): Promise<EmpusaError | undefined> {
  using registry = await context.openRegistry();
  const waiting = rows.filter(({ outcome }) => outcome.state === "pending").values();
  let failure: EmpusaError | undefined;
  const work = async (): Promise<void> => {
    for (const row of waiting) {
      if (failure !== undefined || signal.aborted) return;
      try {
        row.outcome = await registry.adopt(row.entry, options, signal);
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof EmpusaError)) throw error;
        failure ??= error;
      }
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return failure;
}

async function print(rows: readonly Row[], options: ImportOptions, { system }: Context): Promise<void> {
  const { stdout, wantsColor } = system;
  if (options.format === "json") {
    const objects = rows.map(({ entry: { path, value }, outcome }) => ({ entry: path, value, ...outcome }));
    return await stdout.write(resultFor(stdout, jsonArray(objects)));
  }
  const cells = rows.map(({ entry: { path, value }, outcome }) => [path, value, described(outcome)]);
  const look = { color: wantsColor(stdout), terminal: stdout.isTerminal };
  await stdout.write(await table([["ENTRY", "VALUE", "STATE"], ...cells], look));
}

function described(outcome: Outcome): string {
  switch (outcome.state) {
    case "overwritten":
      return `overwritten: ${JSON.stringify(outcome.there)} was here`;
    case "different":
    case "alive":
      return `${outcome.state}: ${JSON.stringify(outcome.there)} is here`;
    case "invalid":
      return `invalid: it must ${outcome.rule}`;
    default:
      return outcome.state;
  }
}

/** How many entries there are of each state, in words. */
function summarize(rows: readonly Row[], { dryRun }: AdoptOptions): string {
  const words: Readonly<Record<Outcome["state"], string>> = {
    imported: dryRun ? "would be imported" : "imported",
    overwritten: dryRun ? "would be overwritten" : "overwritten",
    present: "present already",
    different: `unchanged, because another value is here (${settingName(settings.overwrite)} replaces it)`,
    alive: "unchanged, because a refresher keeps it alive here",
    expires: "with a TTL, left to what refreshes it",
    invalid: "invalid",
    pending: "not done",
  };
  const counts = Object.entries(words).map(([state, word]) => {
    const count = rows.filter(({ outcome }) => outcome.state === state).length;
    return count === 0 ? "" : `${count} ${word}`;
  }).filter((text) => text !== "");
  return counts.length === 0 ? "the v2 API holds no services and no switches" : counts.join(", ");
}
