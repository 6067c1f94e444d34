/** How instances are printed. A new format is one pure file and one line here. */
import type { RegisteredInstance } from "../registry/instance.ts";
import type { Look } from "./columns.ts";
import { consul } from "./consul.ts";
import { csv } from "./csv.ts";
import { env } from "./env.ts";
import type { Printed } from "./expressed.ts";
import { haproxy } from "./haproxy.ts";
import { hosts } from "./hosts.ts";
import { json } from "./json.ts";
import { jsonl } from "./jsonl.ts";
import { nginx } from "./nginx.ts";
import { plain } from "./plain.ts";
import { prometheus } from "./prometheus.ts";
import { table } from "./table.ts";

export type { LeftOut, Printed } from "./expressed.ts";

/** How the text is going to be looked at, and what it is about. */
export interface Rendering extends Look {
  /** The types that were asked for, in order; empty where all were. */
  readonly types: readonly string[];
  /** What the backend is called that HAProxy gets; undefined for its servers alone. */
  readonly haproxyBackend?: string | undefined;
}

/** Turns instances, which come sorted, into text that is empty or ends in a line feed. */
export type Format = (instances: readonly RegisteredInstance[], rendering: Rendering) => Printed;

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

/** How many entries are in a text that a format has made: in each, an entry is a line of its own. */
export function countEntries(format: FormatName, text: string): number {
  const lines = text.split("\n").filter((line) => line !== "");
  switch (format) {
    case "json":
    case "prometheus":
    case "consul":
      return lines.filter((line) => line.startsWith("  {")).length;
    case "nginx":
      return lines.filter((line) => line.startsWith("    server ") && !line.endsWith(" down;")).length;
    case "haproxy":
      return lines.filter((line) => /^ *server /.test(line)).length;
    case "table":
    case "csv":
      return Math.max(lines.length - 1, 0);
    default:
      return lines.length;
  }
}

/** The formats that show the seconds that are left, which have to be asked of etcd for each lease. */
const withTtl: readonly FormatName[] = ["table", "json", "jsonl", "csv"];

export function showsTtl(format: FormatName): boolean {
  return withTtl.includes(format);
}
