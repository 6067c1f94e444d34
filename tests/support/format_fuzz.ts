/** Hostile names and values, made up from a seed, through every format; and what each reader makes of them. */
import { assert, assertEquals } from "@std/assert";
import { resultFor } from "../../src/system/escape.ts";
import { type FormatName, formatNames, formats, type Rendering } from "../../src/formats/mod.ts";
import { instanceKey, type RegisteredInstance } from "../../src/registry/instance.ts";
import { instancesOf } from "../../src/registry/instances.ts";
import { noMetadata } from "../../src/registry/metadata.ts";
import { readAll } from "../../src/registry/collection.ts";
import { Random } from "./random.ts";
import { haproxy, nginx, prometheus } from "./consumers.ts";

/** What has hurt some reader, shell or terminal, and what looks like it. */
const pieces = [
  ..."\x00\x01\x07\b\t\n\v\f\r\x1b\x7f\x85\x9b\u2028\u202e\u2066\ufeff\ufffd\u200f 　".split(""),
  ...["web", "Web", "WEB", "my app", "my_app", "my-app", "größe", "ß", "日本", "🚀", "e\u0301", "İ", "ﬁ"],
  ...[
    "'",
    '"',
    "`",
    "$(id)",
    "${x}",
    "\\",
    "\\u001b",
    "#",
    ";",
    "|",
    "&",
    "<(id)",
    "{",
    "}",
    "{{",
    "%0a",
    "=cmd()",
    "~",
  ],
  ...[
    ":",
    "::",
    "_",
    "_2",
    "__",
    ".",
    "..",
    "-",
    "--",
    "@",
    "=",
    ",",
    "*",
    "?",
    "[",
    "]",
    "!",
    "(",
    ")",
    "^",
  ],
  ...[
    "localhost",
    "10.0.0.1",
    "::1",
    "[::1]",
    "0x7f.1",
    "unix:",
    "unix:/x",
    "server ",
    "upstream",
    "default",
    "backend",
  ],
  ...[
    "__proto__",
    "constructor",
    "null",
    "true",
    "0",
    "1e9",
    "x".repeat(300),
    "\x1b[2J",
    "\x1b]0;x\x07",
    "MAINPID=1",
  ],
];

const locations = [
  ...[
    "10.0.0.1:80",
    "[::1]:80",
    "h:1",
    "http://h/x",
    "https://[::1]:8443",
    "unix:/run/x.sock",
    "unix:80",
    "UNIX:1",
  ],
  ...[
    "10.0.0.7",
    "::1",
    "[::2]",
    "tcp://10.0.0.9",
    "999.1.1.1:80",
    "h:0",
    "h:65536",
    "http://a;}b{:80/",
    "",
    " ",
  ],
];

function text(random: Random): string {
  return Array.from({ length: Math.floor(random.next() * 4) }, () => random.oneOf(pieces)).join("");
}

/** Instances as the registry gives them, from keys and values that anybody may have written. */
function instances(random: Random): RegisteredInstance[] {
  const encoder = new TextEncoder();
  const bytes = (written: string): Uint8Array => {
    const encoded = encoder.encode(written);
    // Some of it is no UTF-8.
    if (random.next() < 0.05 && encoded.length > 0) {
      encoded[Math.floor(random.next() * encoded.length)] = 0xff;
    }
    return encoded;
  };
  const types = [text(random), text(random), random.oneOf(pieces)];
  const entries = Array.from({ length: Math.floor(random.next() * 10) }, (_, i) => ({
    key: bytes(instanceKey("/foo", random.oneOf(types), text(random))),
    value: bytes(
      random.next() < 0.5
        ? random.oneOf(locations)
        : `${text(random)}${random.oneOf(locations)}${text(random)}`,
    ),
    lease: undefined,
    createRevision: i + 1,
    modifyRevision: i + 1,
  }));
  const records = entries.filter(() => random.next() < 0.4).map((entry) => ({
    ...entry,
    key: encoder.encode(new TextDecoder().decode(entry.key).replace("/foo/service/", "/foo/service-meta/")),
    value: bytes(record(random)),
  }));
  const { items } = readAll([...records, ...entries], instancesOf("/foo", { types: [] }));
  // Each key is there once.
  const all = new Map(
    items.map((item) => [`${item.type}/${item.name}`, { ...item, ttl: null, grantedTtl: null }]),
  );
  return [...all.values()];
}

/** A metadata record, in half of which something breaks a rule. */
function record(random: Random): string {
  const isValid = random.next() < 0.5;
  const label = (): string =>
    isValid ? random.oneOf(["v2", "eu.west", "a-b", "a_b", "__proto__"]) : text(random);
  const value = (): string => isValid ? random.oneOf(["", "a b", '"}{;', "ü$(x)`", "a,b"]) : text(random);
  return JSON.stringify({
    tags: [label(), label()],
    meta: Object.fromEntries([[label(), value()], [label(), value()]]),
    weight: random.oneOf([1, 2, 300, 65_535]),
  });
}

// deno-lint-ignore no-control-regex -- control characters are what it is about
const raw = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/;

const pipe: Rendering = { color: false, terminal: false, types: [] };

/** The rows of comma-separated values, as RFC 4180 has them. */
function rowsOf(csv: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  for (const [, quoted, plain = "", end] of csv.matchAll(/(?:"((?:[^"]|"")*)"|([^",\n]*))(,|\n)/g)) {
    row.push(quoted?.replaceAll('""', '"') ?? plain);
    if (end === ",") continue;
    rows.push(row);
    row = [];
  }
  return rows;
}

/** What one format makes of them, seen as its reader sees it. */
async function check(format: FormatName, all: readonly RegisteredInstance[]): Promise<void> {
  const { text, skipped = [] } = await formats[format].render(all, pipe);
  const count = formats[format].count(text);
  assertEquals(count + skipped.length, format === "csv" ? count : all.length);
  const printed = all.filter((one) => !skipped.some(({ instance }) => instance === one));
  const lines = text.split("\n").slice(0, -1);
  const unique = (names: readonly (string | undefined)[]): void =>
    assertEquals(new Set(names).size, names.length);
  switch (format) {
    case "json":
    case "prometheus":
    case "consul":
      assertEquals(JSON.parse(text).length, printed.length);
      break;
    case "jsonl":
      assertEquals(lines.map((line) => JSON.parse(line).location), all.map(({ location }) => location));
      break;
    case "csv":
      assertEquals(
        rowsOf(text).slice(1),
        all.map(({ type, name, location, metadata: { tags, meta, weight } = noMetadata }) => {
          const pairs = Object.keys(meta).length === 0 ? "" : JSON.stringify(meta);
          return [type, name, location, "", tags.join(","), pairs, `${weight}`];
        }),
      );
      break;
    case "plain":
      assertEquals(lines, printed.map(({ location }) => location));
      break;
    case "env":
      assert(lines.every((line) => /^EMPUSA_[A-Z0-9_]*_\d+_LOCATION=[\w.,:/@%+=[\]-]+$/.test(line)));
      unique(lines.map((line) => line.split("=")[0]));
      break;
    case "hosts":
      assert(
        lines.every((line) => /^[0-9a-f.:]+ [a-z0-9_][\w.-]*$/i.test(line) && !/ localhost$/i.test(line)),
      );
      break;
    case "haproxy":
      assert(lines.every((line) => /^server [\w.:-]+ \S+ check( weight \d+)?$/.test(line)));
      unique(lines.map((line) => line.split(" ")[1]));
      break;
    case "nginx":
      assert(
        lines.every((line) =>
          /^(upstream [\w.-]+ \{| {4}server [^\s;{}"'$#\\]+( weight=\d+)?( down)?;|\})$/.test(line)
        ),
      );
      unique(lines.filter((line) => line.startsWith("upstream")).map((line) => line.toLowerCase()));
      break;
    case "table":
      assertEquals(lines.length, all.length + 1);
      assert(!raw.test(text.replaceAll("\t", "")));
  }
  const rendering = { ...pipe, terminal: true };
  const { text: seen } = await formats[format].render(all, rendering);
  assert(!raw.test(format === "table" ? seen : resultFor({ isTerminal: true }, seen)));
}

/** What HAProxy, nginx, Prometheus and a shell make of those that need no look-up of a name. */
async function read(all: readonly RegisteredInstance[], folder: string): Promise<void> {
  const known = all.filter(({ location }) => /^(10|\[|unix:\/|https:\/\/\[)/.test(location));
  for (
    const { code, stderr } of [
      await haproxy(folder, formats.haproxy.render(known, pipe).text),
      await nginx(folder, formats.nginx.render(known, pipe).text),
    ]
  ) assert(code === 0 && !/emerg|alert/i.test(stderr), stderr);
  const targets = formats.prometheus.render(known).text;
  const labels = await prometheus(folder, targets);
  assert(labels.length <= JSON.parse(targets).length && (labels.length > 0 || targets === "[]\n"));
  const variables = formats.env.render(all).text;
  const { stdout } = await new Deno.Command("env", {
    args: ["-i", "/bin/sh", "-c", 'eval "$0"; set', variables.replaceAll("\n", ";")],
  }).output();
  const set = new TextDecoder().decode(stdout).split("\n").filter((line) => line.startsWith("EMPUSA_"));
  assertEquals(set.map((line) => line.replaceAll("'", "")).sort(), variables.split("\n").slice(0, -1).sort());
}

/**
 * Makes up instances from a seed and puts them through all formats, `rounds` times; `readings` times through the programs
 * that read them, in a folder of their own.
 * @throws {Error} naming the round, whose instances are made from the seed plus its number
 * @returns how many instances that were
 */
export async function fuzzFormats(seed: number, rounds: number, readings = 0): Promise<number> {
  let count = 0;
  const folder = await Deno.makeTempDir();
  try {
    for (let round = 0; round < rounds; round++) {
      const all = instances(new Random(seed + round));
      count += all.length;
      try {
        for (const format of formatNames) await check(format, all);
        if (readings > 0 && round % Math.ceil(rounds / readings) === 0) await read(all, folder);
      } catch (error) {
        throw new Error(`round ${round} of seed ${seed}, with ${JSON.stringify(all)}`, { cause: error });
      }
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  return count;
}
