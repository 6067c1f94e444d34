/** The table of all measurements, and what it has in docs/benchmarks.md. */
import { projectFile } from "../../tests/support/project.ts";

export type Unit = "ms" | "s" | "MiB" | "MB" | "times";

/** One line of the table: a figure for each program that has one. */
export interface Row {
  readonly what: string;
  readonly unit: Unit;
  readonly figures: ReadonlyMap<string, number>;
}

const page = projectFile("docs/benchmarks.md");

/** A ratio may differ from that of the page by so much. */
const tolerance = 0.5;

function shown(value: number, unit: Unit): string {
  if (unit === "times") return value.toFixed(1);
  return `${value.toFixed(value >= 20 ? 0 : value >= 1 ? 1 : 2)} ${unit}`;
}

/** How many times the first column's figure is that of another one. */
function ratio({ figures }: Row, column: string, first: string): number | undefined {
  const [ours, other] = [figures.get(first), figures.get(column)];
  return column === first || ours === undefined || other === undefined ? undefined : ours / other;
}

/** A table in Markdown. Behind the figures of programs that are not empusa stands how many times as much empusa takes. */
export function markdown(
  rows: readonly Row[],
  columns: readonly string[],
  compared: readonly string[],
): string {
  const [first = ""] = columns;
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [
    line(["", ...columns]),
    line(["", ...columns].map(() => "---")),
    ...rows.map((row) =>
      line([
        row.what,
        ...columns.map((column) => {
          const figure = row.figures.get(column);
          if (figure === undefined) return "-";
          const times = compared.includes(column) ? ratio(row, column, first) : undefined;
          return `${shown(figure, row.unit)}${times === undefined ? "" : ` (${times.toFixed(2)} ×)`}`;
        }),
      ])
    ),
  ].join("\n");
}

/** Which run it was, for the page. */
export function measuredBy(command: string): string {
  const day = new Date().toISOString().slice(0, 10);
  return `Measured on ${day} by \`${command}\`, on ${navigator.hardwareConcurrency} cores`;
}

/** Replaces what stands between the marks of that name in the page. */
export async function replace(name: string, text: string): Promise<void> {
  const [begin, end] = [`<!-- ${name}: begin -->`, `<!-- ${name}: end -->`];
  const before = await Deno.readTextFile(page);
  const [from, to] = [before.indexOf(begin), before.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${page} lacks the marks of ${name}`);
  await Deno.writeTextFile(page, `${before.slice(0, from + begin.length)}\n\n${text}\n\n${before.slice(to)}`);
  await new Deno.Command(Deno.execPath(), { args: ["fmt", "--quiet", page] }).output();
}

/** The ratios of the page: those behind figures, and the figures without a unit, by row and column. */
async function documented(): Promise<Map<string, number>> {
  const ratios = new Map<string, number>();
  let columns: string[] = [];
  for (const line of (await Deno.readTextFile(page)).split("\n")) {
    if (!line.startsWith("|")) {
      columns = [];
      continue;
    }
    const cells = line.split("|").slice(1, -1).map((cell) => cell.trim());
    if (columns.length === 0) columns = cells;
    for (const [i, cell] of cells.entries()) {
      const [, times] = /\((\d+\.\d+) ×\)$/.exec(cell) ?? /^(\d+\.\d+)$/.exec(cell) ?? [];
      if (times !== undefined) ratios.set(`${cells[0]} beside ${columns[i]}`, Number(times));
    }
  }
  return ratios;
}

/** What differs too much from the page, a line each, among what both have. */
export async function deviations(
  rows: readonly Row[],
  columns: readonly string[],
  compared: readonly string[],
): Promise<string[]> {
  const expected = await documented();
  const [first = ""] = columns;
  const found: string[] = [];
  let seen = 0;
  for (const row of rows) {
    for (const column of row.unit === "times" ? [first] : compared) {
      const measured = row.unit === "times" ? row.figures.get(first) : ratio(row, column, first);
      const wanted = expected.get(`${row.what} beside ${column}`);
      if (measured === undefined || wanted === undefined) continue;
      seen++;
      if (Math.abs(measured / wanted - 1) <= tolerance) continue;
      found.push(
        `${row.what} beside ${column}: ${measured.toFixed(2)} times, docs/benchmarks.md has ${wanted}`,
      );
    }
  }
  return seen === 0 ? ["docs/benchmarks.md has none of these ratios"] : found;
}
