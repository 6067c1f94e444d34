/** Filter expressions, as Consul has them. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { healthEntries } from "../../../../src/server/routes/consul/entries.ts";
import { parseFilter } from "../../../../src/server/routes/consul/filter.ts";
import { HttpError } from "../../../../src/server/http/request.ts";
import type { RegisteredInstance } from "../../../../src/registry/mod.ts";

const instance: RegisteredInstance = {
  type: "web",
  name: "a",
  location: "10.0.0.1:80",
  metadata: { tags: ["v1", "eu.west"], meta: { zone: "eu", "app.version": "2", empty: "" }, weight: 3 },
  lease: "1",
  createRevision: 5,
  modifyRevision: 7,
};
const bare = { ...instance, metadata: { tags: [], meta: {}, weight: 1 } };
const [entry, bareEntry, sample] = healthEntries([instance, bare, bare]).parts as [object, object, object];

const matches = (text: string, one = entry): boolean => parseFilter(text, sample)(one);

Deno.test("filters compare texts, numbers, lists and maps", () => {
  for (
    const [expected, text] of [
      [true, 'Service.ID == "web/a"'],
      [true, "Service.ID == web/a"],
      [false, "Service.ID != `web/a`"],
      [true, "Service.Port == 80"],
      [true, '"v1" in Service.Tags'],
      [true, "eu.west in Service.Tags"],
      [false, "v1 not in Service.Tags"],
      [true, "Service.Tags contains v1"],
      [true, "Service.Tags not contains v2"],
      [false, '"v" in Service.Tags'],
      [true, '"b/" in Service.ID'],
      [true, "Service.Meta.zone == eu"],
      [true, 'Service.Meta["zone"] == "eu"'],
      [true, 'Service.Meta["app.version"] == 2'],
      [true, "Service.Meta.app.version == 2"],
      [true, '"/Service/Meta/zone" == eu'],
      [true, "zone in Service.Meta"],
      [false, "Service.Meta contains toString"],
      [false, "Service.Meta.none == x"],
      [true, "Service.Meta.none != x"],
      [false, "Service.Meta.__proto__ == x"],
      [true, "Service.Meta.none is empty"],
      [true, "Service.Meta.empty is empty"],
      [true, "Service.Tags is not empty"],
      [false, "Service.Meta is empty"],
      [true, "Checks.Status == passing"],
      [true, "Node.Datacenter == dc1 and Service.Weights.Passing == 3"],
      [true, 'Service.Meta.zone == "\\u0065u"'],
    ] as const
  ) assertEquals([text, matches(text)], [text, expected]);
  assert(matches("Service.Tags is empty and Service.Meta is empty", bareEntry));
});

Deno.test("and binds closer than or, not closer than both, and parentheses closest", () => {
  const [yes, no] = ["Service.Port == 80", "Service.Port == 81"];
  for (
    const [expected, text] of [
      [true, `${yes} or ${yes} and ${no}`],
      [false, `(${yes} or ${yes}) and ${no}`],
      [false, `not ${yes} or ${no}`],
      [true, `not (${yes} and ${no})`],
      [true, `not not ${yes}`],
      [true, ` ( ( ${yes} ) )\n`],
      [false, `not ${no} and ${no}`],
    ] as const
  ) assertEquals([text, matches(text)], [text, expected]);
});

Deno.test("a filter that cannot be read is refused with a sentence, whatever it is", () => {
  for (
    const text of [
      "Service",
      "Service.ID",
      "Service.ID ==",
      "Service.ID == web/a or",
      "Service.ID == web/a web",
      "Service.ID = web/a",
      'Service.ID == "web',
      'Service.ID == "\\x"',
      "(Service.ID == web/a",
      "Service.ID == web/a)",
      "Service.ID matches `(a+)+$`",
      "Service.Nothing == x",
      "Service.constructor == x",
      "Service == x",
      "Service.Tags == v1",
      "80 in Service.Port",
      "Service.Port is empty",
      "Service.Meta[zone] == eu",
      'Service.Meta["zone" == eu',
      '"v1" == Service.ID',
      "Service.ID is web",
      "Service.ID not == x",
      "Service.ID == Service.Meta[`x`]",
      "ü in Service.Tags",
      "not",
      "(".repeat(4000),
      "not ".repeat(1000),
      `Service.ID == ${"x".repeat(5000)}`,
    ]
  ) {
    const error = assertThrows(() => matches(text), HttpError, "");
    assertEquals([text, error.status], [text, 400]);
    assert(error.message.length < 300 && !error.message.includes("\n"), error.message);
  }
});

Deno.test("long filters take no time", () => {
  const began = performance.now();
  const long = Array(170).fill("Service.ID == x").join(" or ");
  assertEquals(matches(long), false);
  for (const text of ['"'.repeat(4000), " ".repeat(4000), "a.".repeat(2000), '"\\'.repeat(2000)]) {
    assertThrows(() => matches(text), HttpError, "");
  }
  const took = performance.now() - began;
  assert(took < 500, `${took} ms`);
});
