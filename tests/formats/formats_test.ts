import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { type FormatName, formatNames, formats, type Rendering } from "../../src/formats/mod.ts";
import type { RegisteredInstance } from "../../src/registry/instance.ts";

const revisions = { lease: undefined, createRevision: 3, modifyRevision: 7 };
const web = { type: "web", name: "a", location: "10.0.0.7:80", ttl: null, grantedTtl: null, ...revisions };
const db = {
  ...{ type: "database", name: "primary", location: "[::1]:5432", ttl: 27, grantedTtl: 30 },
  ...{ ...revisions, lease: "12" },
};
/** What JSON has for an instance that says nothing of itself. */
const silent = { tags: [], meta: {}, weight: 1 };
const at = (location: string, more: Partial<RegisteredInstance> = {}): RegisteredInstance => ({
  ...web,
  location,
  ...more,
});

const terminal: Rendering = { color: false, terminal: true, types: [] };
const pipe: Rendering = { ...terminal, terminal: false };

/** The text, where nothing is left out. */
async function text(
  format: FormatName,
  instances: readonly RegisteredInstance[],
  rendering = pipe,
): Promise<string> {
  const printed = await formats[format].render(instances, rendering);
  assertEquals(printed.skipped ?? [], []);
  return printed.text;
}

/** The text, and the locations that are left out. */
async function some(
  format: FormatName,
  ...instances: RegisteredInstance[]
): Promise<[string, string[]]> {
  const printed = await formats[format].render(instances, pipe);
  return [printed.text, (printed.skipped ?? []).map(({ instance }) => instance.location)];
}

Deno.test("json: an array that newcomers and the original's scripts can read", async () => {
  assertEquals(await text("json", []), "[]\n");
  assertEquals(JSON.parse(await text("json", [web, db])), [
    { service: "web/a", type: "web", name: "a", location: "10.0.0.7:80", ttl: null, ...silent },
    {
      service: "database/primary",
      type: "database",
      name: "primary",
      location: "[::1]:5432",
      ttl: 27,
      ...silent,
    },
  ]);
});

Deno.test("jsonl: an object a line", async () => {
  assertEquals(await text("jsonl", []), "");
  const lines = (await text("jsonl", [web, db])).trimEnd().split("\n").map((line) => JSON.parse(line));
  assertEquals(lines, JSON.parse(await text("json", [web, db])));
});

Deno.test("table: aligned columns on a terminal, tabs elsewhere", async () => {
  assertEquals(await text("table", [], terminal), "TYPE  NAME  LOCATION  TTL\n");
  assertEquals(
    await text("table", [web, db], terminal),
    [
      "TYPE      NAME     LOCATION     TTL",
      "web       a        10.0.0.7:80  -",
      "database  primary  [::1]:5432   27s / 30s",
      "",
    ].join("\n"),
  );
  assertEquals(
    await text("table", [web, db]),
    "TYPE\tNAME\tLOCATION\tTTL\nweb\ta\t10.0.0.7:80\t-\ndatabase\tprimary\t[::1]:5432\t27s / 30s\n",
  );
});

Deno.test("table: the header is bold where colour is wanted", async () => {
  assertEquals(
    await text("table", [], { ...terminal, color: true }),
    "\x1b[1mTYPE  NAME  LOCATION  TTL\x1b[22m\n",
  );
});

Deno.test("table: wide characters take two columns, combined ones none of their own", async () => {
  const names = [{ ...web, name: "日本" }, { ...web, name: "e\u0301" }, { ...web, name: "🚀" }];
  assertEquals(
    await text("table", names, terminal),
    [
      "TYPE  NAME  LOCATION     TTL",
      "web   日本  10.0.0.7:80  -",
      "web   e\u0301     10.0.0.7:80  -",
      "web   🚀    10.0.0.7:80  -",
      "",
    ].join("\n"),
  );
});

Deno.test("table: what could upset a terminal is shown as an escape", async () => {
  for (const rendering of [terminal, pipe]) {
    const [, row] = (await text("table", [at("\x1b[2Jh:1\n\t")], rendering)).split("\n");
    assertStringIncludes(row ?? "", "\\u001b[2Jh:1\\u000a\\u0009");
  }
});

Deno.test("csv: quoted where need be", async () => {
  assertEquals(await text("csv", []), "type,name,location,ttl,tags,meta,weight\n");
  assertEquals(
    await text("csv", [at('a "b", c'), db]),
    'type,name,location,ttl,tags,meta,weight\nweb,a,"a ""b"", c",,,,1\ndatabase,primary,[::1]:5432,27,,,1\n',
  );
});

Deno.test("plain: one location a line", async () => {
  assertEquals(await text("plain", []), "");
  assertEquals(await some("plain", web, at("two\nlines"), db), ["10.0.0.7:80\n[::1]:5432\n", ["two\nlines"]]);
});

Deno.test("env: counted for each type, in characters that nobody has to quote", async () => {
  assertEquals(await text("env", []), "");
  const [printed, leftOut] = await some(
    "env",
    at("h:1", { type: "my-web" }),
    at("https://h/a?b=c&d", { type: "my-web" }),
    at("h:2", { type: "my.web" }),
    at("with blank", { type: "größe" }),
    at("[::1]:5432", { type: "größe" }),
  );
  assertEquals(
    printed,
    "EMPUSA_MY_WEB_1_LOCATION=h:1\nEMPUSA_MY_WEB_2_1_LOCATION=h:2\nEMPUSA_GR_SSE_1_LOCATION=[::1]:5432\n",
  );
  assertEquals(leftOut, ["https://h/a?b=c&d", "with blank"]);
});

Deno.test("hosts: IP addresses and host names alone", async () => {
  const [printed, leftOut] = await some(
    "hosts",
    web,
    db,
    at("h:1"),
    at("10.0.0.8:1", { name: "not a host" }),
  );
  assertEquals([printed, leftOut], ["10.0.0.7 a\n::1 primary\n", ["h:1", "10.0.0.8:1"]]);
});

Deno.test("prometheus: groups of targets, all strings", async () => {
  assertEquals(await text("prometheus", []), "[]\n");
  const [printed, leftOut] = await some(
    "prometheus",
    web,
    db,
    at("https://h/metrics"),
    at("unix:/run/x.sock"),
    at("h:0"),
  );
  assertEquals(JSON.parse(printed), [
    { targets: ["10.0.0.7:80"], labels: { __meta_empusa_type: "web", __meta_empusa_name: "a" } },
    { targets: ["[::1]:5432"], labels: { __meta_empusa_type: "database", __meta_empusa_name: "primary" } },
    { targets: ["h:443"], labels: { __meta_empusa_type: "web", __meta_empusa_name: "a" } },
  ]);
  assertEquals(leftOut, ["unix:/run/x.sock", "h:0"]);
});

Deno.test("haproxy: a server line each, under names of its own", async () => {
  assertEquals(await text("haproxy", []), "");
  const [printed, leftOut] = await some(
    "haproxy",
    web,
    db,
    at("unix:/run/x.sock", { name: "größe" }),
    at("h:1", { name: "gr  e" }),
    at("gr__e:1", { name: "gr**e" }),
    at("free text"),
  );
  assertEquals(
    printed,
    "server web:a 10.0.0.7:80 check\nserver database:primary [::1]:5432 check\n" +
      "server web:gr__e unix@/run/x.sock check\nserver web:gr__e_2 h:1 check\nserver web:gr__e_3 gr__e:1 check\n",
  );
  assertEquals(leftOut, ["free text"]);
});

Deno.test("nginx: an upstream for each type, also for one that is asked for and empty", async () => {
  assertEquals(await text("nginx", []), "");
  assertEquals(
    await text("nginx", [web, at("unix:/run/x.sock"), db], {
      ...pipe,
      types: ["web", "database", "my cache"],
    }),
    "upstream database {\n    server [::1]:5432;\n}\n" +
      "upstream my_cache {\n    server 127.0.0.1:65535 down;\n}\n" +
      "upstream web {\n    server 10.0.0.7:80;\n    server unix:/run/x.sock;\n}\n",
  );
  const [printed, leftOut] = await some("nginx", at("; include /etc/passwd;"));
  assertEquals([printed, leftOut], ["upstream web {\n    server 127.0.0.1:65535 down;\n}\n", [
    "; include /etc/passwd;",
  ]]);
});

Deno.test("consul: what its catalog would answer", async () => {
  assertEquals(await text("consul", []), "[]\n");
  const [printed, leftOut] = await some("consul", web, at("free text"));
  assertEquals(JSON.parse(printed), [{
    ID: "",
    Node: "a",
    Address: "10.0.0.7",
    Datacenter: "dc1",
    TaggedAddresses: { lan: "10.0.0.7", wan: "10.0.0.7" },
    NodeMeta: {},
    ServiceID: "a",
    ServiceName: "web",
    ServiceAddress: "10.0.0.7",
    ServicePort: 80,
    ServiceTags: [],
    ServiceMeta: {},
    ServiceTaggedAddresses: {
      lan: { Address: "10.0.0.7", Port: 80 },
      wan: { Address: "10.0.0.7", Port: 80 },
    },
    ServiceEnableTagOverride: false,
    ServiceWeights: { Passing: 1, Warning: 1 },
    CreateIndex: 3,
    ModifyIndex: 7,
  }]);
  assertEquals(leftOut, ["free text"]);
});

Deno.test("what is a host to nobody, or a program to somebody, is left out", async () => {
  const nonsense = [
    "http://a%3bb:80/",
    "http://a;}upstream{:80/",
    'tcp://"$HOME":80',
    "http://a'b:80/",
    "[::::]:80",
    "[1]:80",
    "host..x:80",
    "-h:80",
    "999.1.1.1:80",
    "1.2.3:80",
    "h:65536",
    `unix:/${"x".repeat(150)}`,
    "unix:/with blank",
  ];
  for (const format of ["hosts", "prometheus", "haproxy", "nginx", "consul"] as const) {
    const [printed, leftOut] = await some(format, ...nonsense.map((location) => at(location)));
    assertEquals([format, leftOut, formats[format].count(printed)], [format, nonsense, 0]);
  }
  const fine = [
    "a.b-c_d:1",
    "1.2.3.4:65535",
    "[fe80::1]:80",
    "[::ffff:1.2.3.4]:80",
    "https://h",
    "http://[::1]:8080/x",
  ];
  for (const format of ["prometheus", "haproxy", "nginx", "consul"] as const) {
    assertEquals((await some(format, ...fine.map((location) => at(location))))[1], []);
  }
});

Deno.test("many names that look alike are quickly told apart", async () => {
  const began = performance.now();
  const alike = Array.from(
    { length: 20_000 },
    (_, i) => at("h:1", { name: String.fromCodePoint(0x4e00 + i) }),
  );
  const names = (await text("haproxy", alike)).trimEnd().split("\n").map((line) => line.split(" ")[1]);
  assertEquals(new Set(names).size, alike.length);
  assert(performance.now() - began < 2000);
});

Deno.test("the entries of each format can be counted", async () => {
  for (const format of formatNames) {
    for (const count of [0, 1, 20]) {
      const instances = Array.from({ length: count }, (_, i) => at(`10.0.0.${i}:80`, { name: `n${i}` }));
      const rendering = { ...pipe, types: ["web", "other"] };
      assertEquals([format, formats[format].count(await text(format, instances, rendering))], [
        format,
        count,
      ]);
    }
  }
});

Deno.test("table: columns are aligned as terminals show them", async () => {
  const names = ["ascii", "ｱｲｳ", "カタカナ", "⚠️", "ㄅㄆ", "ꀀ", "㎏", "🇩🇪", "e\u0301", "漢字", "👩‍👩‍👧"];
  const widths = [5, 3, 8, 2, 4, 2, 2, 2, 1, 4, 2];
  const printed = await text("table", names.map((name) => at("h:1", { name })), terminal);
  for (const [i, row] of printed.split("\n").slice(1, -1).entries()) {
    const name = names[i] ?? "";
    assertEquals(row, `web   ${name}${" ".repeat(8 - (widths[i] ?? 0))}  h:1       -`);
  }
});
