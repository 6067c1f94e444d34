/** How instances are shown. A new format is one pure file and one line here. */
import type { RegisteredInstance } from "../registry/instance.ts";
import { json } from "./json.ts";
import { table } from "./table.ts";

/** How the text is going to be looked at. */
export interface Rendering {
  readonly color: boolean;
}

/** Turns instances into text that ends in a line feed. */
export type Format = (instances: readonly RegisteredInstance[], rendering: Rendering) => string;

export const formats = { table, json } as const satisfies Record<string, Format>;

export type FormatName = keyof typeof formats;

export const formatNames = Object.keys(formats) as FormatName[];
