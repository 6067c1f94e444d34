import type { RegisteredInstance } from "../registry/instance.ts";
import { type Look, tabular } from "./columns.ts";
import { countLines, type Format, type Rendered, type Rendering } from "./format.ts";

/** For people: aligned columns on a terminal, the same columns separated by tabs elsewhere. */
async function render(
  instances: readonly RegisteredInstance[],
  { states = false, ...look }: Look & Pick<Rendering, "states">,
): Promise<Rendered> {
  const shown = columns.filter(({ isShown }) => isShown(instances, states));
  const rows = instances.map((instance) =>
    [...shown.map(({ cell }) => cell(instance)), instance] as [...string[], RegisteredInstance]
  );
  return { text: await tabular([...shown.map(({ name }) => name), "TTL"], rows, look) };
}

interface Column {
  readonly name: string;
  readonly cell: (instance: RegisteredInstance) => string;
  readonly isShown: (instances: readonly RegisteredInstance[], states: boolean) => boolean;
}

const columns: readonly Column[] = [
  { name: "TYPE", cell: ({ type }) => type, isShown: () => true },
  { name: "NAME", cell: ({ name }) => name, isShown: () => true },
  { name: "LOCATION", cell: ({ location }) => location, isShown: () => true },
  {
    name: "TAGS",
    cell: ({ metadata }) => metadata?.tags.join(",") || "-",
    isShown: (instances) => instances.some(({ metadata }) => (metadata?.tags.length ?? 0) > 0),
  },
  {
    name: "WEIGHT",
    cell: ({ metadata }) => `${metadata?.weight ?? 1}`,
    isShown: (instances) => instances.some(({ metadata }) => (metadata?.weight ?? 1) !== 1),
  },
  {
    name: "STATE",
    cell: ({ out }) => out?.state ?? "up",
    isShown: (_, states) => states,
  },
  {
    name: "REASON",
    cell: ({ out }) => out?.reason || "-",
    isShown: (instances) => instances.some(({ out }) => (out?.reason ?? "") !== ""),
  },
];

export const table = {
  name: "table",
  summary:
    "People: aligned columns on a terminal, columns separated by tabs elsewhere; `27s / 30s` is the TTL left and granted.",
  showsTtl: true,
  render,
  count: (text) => Math.max(countLines(text) - 1, 0),
} as const satisfies Format;
