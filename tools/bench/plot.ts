/** A plot with logarithmic axes, as SVG. */

/** A line of the plot. */
export interface Series {
  readonly name: string;
  readonly points: readonly Point[];
  /** Points that were not measured: they are joined by a dashed line. */
  readonly guessed: readonly Point[];
}

type Point = readonly [x: number, y: number];

const size = { width: 640, height: 400 };
const frame = { left: 70, right: 160, top: 30, bottom: 50 };
const colors = ["#1f6feb", "#d1242f", "#1a7f37", "#8250df"];

/** What goes onto the axes: powers of ten. */
const axes = { x: [1, 5], y: [0, 4] } as const;
const labels = {
  x: "services, refreshers or watchers",
  y: "CPU of all three members, % of a core (dashed: extrapolated)",
};

const x = (value: number): number => position(value, axes.x, frame.left, size.width - frame.right);
const y = (value: number): number => position(value, axes.y, size.height - frame.bottom, frame.top);

function position(value: number, [from, to]: readonly [number, number], low: number, high: number): number {
  const part = (Math.max(Math.log10(value), from) - from) / (to - from);
  return Math.round((low + part * (high - low)) * 10) / 10;
}

const powers = ([from, to]: readonly [number, number]): number[] =>
  Array.from({ length: to - from + 1 }, (_, i) => 10 ** (from + i));

/** The plot of what etcd's members cost. */
export function plot(all: readonly Series[]): string {
  const [bottom, right] = [size.height - frame.bottom, size.width - frame.right];
  const text = (at: readonly [number, number], what: string, anchor: string, more = ""): string =>
    `<text x="${at[0]}" y="${at[1]}" text-anchor="${anchor}"${more}>${what}</text>`;
  const lines = [
    ...powers(axes.x).flatMap((value) => [
      `<path class="grid" d="M${x(value)} ${frame.top}V${bottom}"/>`,
      text([x(value), bottom + 18], value.toLocaleString("en"), "middle"),
    ]),
    ...powers(axes.y).flatMap((value) => [
      `<path class="grid" d="M${frame.left} ${y(value)}H${right}"/>`,
      text([frame.left - 8, y(value) + 4], `${value}`, "end"),
    ]),
    text([(frame.left + right) / 2, size.height - 10], labels.x, "middle"),
    text([frame.left - 40, frame.top - 12], labels.y, "start"),
    ...all.flatMap(({ name, points, guessed }, i) => {
      const color = colors[i % colors.length];
      const path = (some: readonly Point[]): string =>
        `M${some.map(([a, b]) => `${x(a)} ${y(b)}`).join("L")}`;
      const last = [...points, ...guessed].at(-1) ?? [1, 1];
      return [
        `<path class="line" stroke="${color}" d="${path(points)}"/>`,
        ...points.map(([a, b]) => `<circle fill="${color}" cx="${x(a)}" cy="${y(b)}" r="3"/>`),
        ...guessed.length === 0 ? [] : [
          `<path class="line" stroke="${color}" stroke-dasharray="4" d="${
            path([...points.slice(-1), ...guessed])
          }"/>`,
        ],
        text([x(last[0]) + 8, y(last[1]) + 4], name, "start", ` fill="${color}"`),
      ];
    }),
  ];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size.width} ${size.height}" font-family="sans-serif" font-size="12">
<style>.grid{stroke:#d0d7de}.line{fill:none;stroke-width:2}</style>
<rect width="100%" height="100%" fill="#fff"/>
${lines.join("\n")}
</svg>
`;
}
