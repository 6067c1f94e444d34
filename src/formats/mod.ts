/** How instances are printed. A new format is one file with one object, and its line here. */
import { consul } from "./consul.ts";
import { csv } from "./csv.ts";
import { env } from "./env.ts";
import type { Format } from "./format.ts";
import { haproxy } from "./haproxy.ts";
import { hosts } from "./hosts.ts";
import { json } from "./json.ts";
import { jsonl } from "./jsonl.ts";
import { nginx } from "./nginx.ts";
import { plain } from "./plain.ts";
import { prometheus } from "./prometheus.ts";
import { table } from "./table.ts";

export type { Format, Rendered, Rendering, Skipped } from "./format.ts";

/** Each format by its name, in the order in which help and docs list them. */
export const formats = {
  table,
  json,
  jsonl,
  csv,
  plain,
  env,
  hosts,
  prometheus,
  haproxy,
  nginx,
  consul,
} as const satisfies Record<string, Format>;

export type FormatName = keyof typeof formats;

export const formatNames = Object.keys(formats) as FormatName[];

/** The formats that show whether an instance is in use. */
export const formatsWithState = ["table", "json", "jsonl", "csv"] as const satisfies readonly FormatName[];
