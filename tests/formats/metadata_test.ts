/** What the formats say of tags, pairs, weights, and of instances that are out of use. */
import { assertEquals } from "@std/assert";
import { type FormatName, formats, type Rendering } from "../../src/formats/mod.ts";
import type { RegisteredInstance } from "../../src/registry/instance.ts";

const pipe: Rendering = { color: false, terminal: false, types: [] };
const states: Rendering = { ...pipe, states: true };

const stored = { lease: undefined, createRevision: 3, modifyRevision: 7, ttl: null };
const plain: RegisteredInstance = { type: "web", name: "a", location: "h:1", ...stored };
const rich: RegisteredInstance = {
  ...plain,
  name: "b",
  metadata: { tags: ["v2", "eu.west"], meta: { zone: "a", note: 'x "y"' }, weight: 300 },
};
const out: RegisteredInstance = { ...plain, name: "c", out: { state: "maintenance", reason: "disk" } };

async function text(format: FormatName, all: readonly RegisteredInstance[], look = pipe): Promise<string> {
  return (await formats[format].render(all, look)).text;
}

Deno.test("table: columns for tags and weights if any instance has some, and for the state if it is asked for", async () => {
  assertEquals(await text("table", [plain]), "TYPE\tNAME\tLOCATION\tTTL\nweb\ta\th:1\t-\n");
  assertEquals(
    await text("table", [plain, rich]),
    "TYPE\tNAME\tLOCATION\tTAGS\tWEIGHT\tTTL\nweb\ta\th:1\t-\t1\t-\nweb\tb\th:1\tv2,eu.west\t300\t-\n",
  );
  assertEquals(
    await text("table", [plain, out], states),
    "TYPE\tNAME\tLOCATION\tSTATE\tREASON\tTTL\nweb\ta\th:1\tup\t-\t-\nweb\tc\th:1\tmaintenance\tdisk\t-\n",
  );
});

Deno.test("JSON and CSV say all, and the state if it is asked for", async () => {
  const [, found] = JSON.parse(await text("json", [plain, rich]));
  assertEquals([found.tags, found.meta, found.weight, "state" in found], [
    ["v2", "eu.west"],
    { zone: "a", note: 'x "y"' },
    300,
    false,
  ]);
  const [up, down] = (await text("jsonl", [plain, out], states)).trim().split("\n").map((line) =>
    JSON.parse(line)
  );
  assertEquals([up.state, up.reason, down.state, down.reason], ["up", "", "maintenance", "disk"]);
  assertEquals(
    await text("csv", [rich, out], states),
    "type,name,location,ttl,tags,meta,weight,state,reason\n" +
      'web,b,h:1,,"v2,eu.west","{""zone"":""a"",""note"":""x \\""y\\""""}",300,up,\n' +
      "web,c,h:1,,,,1,maintenance,disk\n",
  );
});

Deno.test("Prometheus: labels for each tag and pair, and all tags between separators", () => {
  const { text, collisions } = formats.prometheus.render([rich]);
  assertEquals(JSON.parse(text)[0].labels, {
    __meta_empusa_type: "web",
    __meta_empusa_name: "b",
    __meta_empusa_weight: "300",
    __meta_empusa_tags: ",v2,eu.west,",
    __meta_empusa_tag_v2: "true",
    __meta_empusa_tag_eu_west: "true",
    __meta_empusa_meta_zone: "a",
    __meta_empusa_meta_note: 'x "y"',
  });
  assertEquals(collisions, []);
  const alike = { ...rich, metadata: { tags: [], meta: { "a.b": "1", "a-b": "2" }, weight: 1 } };
  const both = formats.prometheus.render([alike]);
  assertEquals(JSON.parse(both.text)[0].labels.__meta_empusa_meta_a_b, "1");
  assertEquals(both.collisions, [
    "web/b has two labels __meta_empusa_meta_a_b for Prometheus: that of a-b is left out",
  ]);
});

Deno.test("HAProxy: weights up to its 256, in their proportions", async () => {
  const weighed = (weight: number): RegisteredInstance => ({
    ...rich,
    metadata: { tags: [], meta: {}, weight },
  });
  assertEquals(
    await text("haproxy", [weighed(256), plain]),
    [
      "server web:b h:1 check weight 256\n",
      "server web:a h:1 check\n",
    ].join(""),
  );
  assertEquals(
    await text("haproxy", [weighed(512), plain]),
    [
      "server web:b h:1 check weight 256\n",
      "server web:a h:1 check\n",
    ].join(""),
  );
});

Deno.test("nginx and Consul: weights, tags and pairs", async () => {
  assertEquals(
    await text("nginx", [plain, rich]),
    "upstream web {\n    server h:1;\n    server h:1 weight=300;\n}\n",
  );
  const [found] = JSON.parse(await text("consul", [rich]));
  assertEquals([found.ServiceTags, found.ServiceMeta, found.ServiceWeights], [
    ["v2", "eu.west"],
    { zone: "a", note: 'x "y"' },
    { Passing: 300, Warning: 1 },
  ]);
});
