/** Definitions: what they say, and where each mistake is. */
import { assert, assertEquals } from "@std/assert";
import { parseDefinitions } from "../../src/definitions/document.ts";
import { readDefinitions, showRemark } from "../../src/definitions/files.ts";
import { jsonSchema } from "../../src/definitions/rules.ts";
import { fakeSystem } from "../support/system.ts";

const defaults = { name: "{hostname}", tags: [], meta: {}, weight: 1, mirrors: [], checks: [] };

function mistakes(text: string): string[] {
  const { services, mistakes } = parseDefinitions("web.yaml", text);
  assert(services.length === 0 || mistakes.length > 0, "no mistake was found");
  return mistakes.map(showRemark);
}

Deno.test("a definition has the rules and defaults of the options", () => {
  const { services, mistakes } = parseDefinitions(
    "web.yaml",
    `services:
  - type: web
    location: "{ip}:8080"
    ttl: 15
    tags: [v2, eu]
    meta: { zone: a }
    weight: 10
    mirrors: [grpc=/grpc]
    checks:
      - tcp: location
      - { http: "http://localhost:8080/health", interval: 5, fall: 2 }
---
services:
  - { type: db, name: primary, location: "h:1" }
`,
  );
  assertEquals(mistakes, []);
  assertEquals(services.map(({ service, path, place }) => [service, path, place().line] as const), [
    [
      {
        ...{
          ...defaults,
          type: "web",
          location: "{ip}:8080",
          ttl: 15,
          tags: ["v2", "eu"],
          meta: { zone: "a" },
        },
        ...{ weight: 10, mirrors: ["grpc=/grpc"] },
        checks: [{ tcp: "location" }, { http: "http://localhost:8080/health", interval: 5, fall: 2 }],
      },
      "services[0]",
      2,
    ],
    [{ ...defaults, type: "db", name: "primary", location: "h:1" }, "services[0]", 14],
  ]);
});

Deno.test("JSON is read alike, and knows its places as well", () => {
  const text = '{"services": [\n{"type": "a", "location": "h:1"},\n{"type": "b", "location": "h:2"}]}';
  const { services } = parseDefinitions("x.json", text);
  assertEquals(services.map(({ service: { type }, place }) => [type, place()]), [
    ["a", { file: "x.json", line: 2, column: 1 }],
    ["b", { file: "x.json", line: 3, column: 1 }],
  ]);
  assertEquals(mistakes('{"services": [\n{"type": "a"}]}'), [
    "web.yaml:2:1: services[0].location must be given",
  ]);
});

Deno.test("every mistake is told with its line, its column and its path", () => {
  const rows: readonly (readonly [text: string, ...told: string[]])[] = [
    ["services: 3", "1:11: services must be a list"],
    ["[]", "1:1: the document must be an object"],
    ["x: 1", "1:1: services must be given", '1:1: the document must not hold "x"'],
    ["services:\n- 3", "2:3: services[0] must be an object"],
    [
      "services:\n- type: a,b\n  location: h:1\n  ttl: 0\n  port: 3",
      '2:9: services[0].type must hold no ","',
      "4:8: services[0].ttl must be a whole number, at least 1 and at most 9000000000",
      '5:3: services[0] must not hold "port"',
    ],
    [
      "services:\n- {type: a, location: 'h:1', tags: [a, 'b c'], meta: {a: 1, b b: x}, weight: 1.5}",
      '2:36: services[0].tags must be 1 to 63 characters of A-Z, a-z, 0-9, period, underscore and hyphen, not "b c"',
      "2:58: services[0].meta.a must be a text: quote numbers and words such as yes",
      "2:78: services[0].weight must be a whole number, at least 1 and at most 65535",
    ],
    [
      "services:\n- {type: a, location: '{x}:1'}",
      "2:23: services[0].location must have no placeholders but {hostname} and {ip} and {ip:INTERFACE}",
    ],
    [
      "services:\n- {type: a, location: 'h:1', mirrors: [x]}",
      "2:40: services[0].mirrors[0] must begin with one of grpc, coredns, traefik, kratos, kitex, gomicro",
    ],
    [
      "services:\n- {type: a, location: 'h:1', checks: [{tcp: 'h:1', http: 'http://h'}, {tcp: h, interval: 0}]}",
      "2:39: services[0].checks[0] must have just one of tcp, http and exec",
      "2:77: services[0].checks[1].tcp must be HOST:PORT",
      "2:90: services[0].checks[1].interval must be seconds, more than 0 and at most 1000000",
    ],
    [
      "services:\n- {type: a, location: 'h:1', checks: [{http: 'ftp://h'}]}",
      "2:46: services[0].checks[0].http must be an http or https URL",
    ],
  ];
  for (const [text, ...told] of rows) {
    assertEquals([text, mistakes(text).map((line) => line.replace("web.yaml:", "")).sort()], [
      text,
      told.sort(),
    ]);
  }
});

Deno.test("what is no YAML is told with its place, whatever it is", () => {
  for (
    const [text, place] of [["a: [", "1:5"], ["a: b: c", "1:4"], ["a: 1\na: 2", "2:1"], [
      "\ta: 1",
      "1:1",
    ]] as const
  ) {
    const [first = ""] = mistakes(text);
    assert(first.startsWith(`web.yaml:${place}: `) && !first.includes("\n"), first);
  }
  // Aliases of aliases are no way to fill the memory.
  const lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"];
  for (let i = 1; i < 9; i++) lines.push(`a${i}: &a${i} [${Array(10).fill(`*a${i - 1}`).join(", ")}]`);
  assert(mistakes(lines.join("\n"))[0]?.includes("alias"));
  assert(mistakes("services: *nobody")[0]?.includes("alias"));
});

Deno.test("a Consul agent's definitions are read as they are, and what is lost is told once", () => {
  const { services, warnings, mistakes } = parseDefinitions(
    "redis.json",
    `{"services": [{"id": "r1", "name": "redis", "address": "10.0.0.1", "port": 6379, "tags": ["x"], "meta": {"a": "b"},
 "weights": {"passing": 3, "warning": 1}, "token": "secret",
 "checks": [{"args": ["/bin/check", "a b"], "interval": "10s", "timeout": "1m30s", "failures_before_critical": 2}, {"ttl": "30s"}]}]}`,
  );
  assertEquals(mistakes, []);
  assertEquals(services.map(({ service }) => service), [{
    ...{
      ...defaults,
      type: "redis",
      name: "r1",
      location: "10.0.0.1:6379",
      tags: ["x"],
      meta: { a: "b" },
      weight: 3,
    },
    checks: [{ exec: "/bin/check 'a b'", interval: 10, timeout: 90, fall: 3 }],
  }]);
  assertEquals(warnings.map(showRemark), [
    "redis.json:2:52: services[0].token is left out: empusa has no such setting",
    "redis.json:3:116: services[0].checks[1] is left out: empusa checks tcp, http and args",
  ]);
  const one = parseDefinitions(
    "x.json",
    '{"service": {"name": "web", "port": 80, "check": {"http": "http://h/"}}}',
  );
  assertEquals(
    one.services.map(({ service: { type, name, location, checks } }) => [type, name, location, checks]),
    [
      ["web", "{hostname}", "{ip}:80", [{ http: "http://h/" }]],
    ],
  );
  assertEquals(parseDefinitions("x", '{"service": {"name": "a,b", "port": 80}}').mistakes.map(showRemark), [
    'x:1:22: service.name must hold no ","',
  ]);
});

Deno.test("what is not surely a Consul agent's is ours, and a mistake there is one here", () => {
  assertEquals(mistakes("services: [{name: web}]").length, 2);
  assertEquals(mistakes("services:\n- {name: web, locaton: 'h:1'}").length, 3);
  const { warnings, mistakes: wrong, services } = parseDefinitions(
    "x.json",
    '{"datacenter": "d", "service": {"name": "a", "id": "x", "port": 1, "address": "[::1]",\n' +
      '"check": {"http": "http://h/", "tls_skip_verify": true}}, "services": [{"name": "db", "port": 2}]}',
  );
  assertEquals([wrong, services.map(({ service: { location } }) => location)], [[], ["[::1]:1", "{ip}:2"]]);
  assertEquals(warnings.map(({ message }) => message), [
    "datacenter is left out: empusa has no such setting",
    "service.check.tls_skip_verify is left out: empusa has no such setting",
  ]);
  assertEquals(mistakes('{"service": {"name": "a", "port": {"b": 1}}}'), [
    "web.yaml:1:35: service.port must be given",
  ]);
});

Deno.test("no key is lost: neither one that is there twice, nor one that JavaScript takes for something else", () => {
  assertEquals(mistakes('{"services": [],\n"services": []}'), ["web.yaml:2:1: Map keys must be unique"]);
  assertEquals(mistakes("services:\n- {type: a, location: 'h:1', meta: {__proto__: x}}"), [
    'web.yaml:2:37: a key must not be "__proto__"',
  ]);
});

Deno.test("folders are read in order, and an instance is defined once", async () => {
  const folder = await Deno.makeTempDir();
  const service = (name: string): string => `services:\n  - { type: web, name: ${name}, location: "h:1" }\n`;
  for (
    const [file, text] of [["b.yaml", service("b")], ["a.yml", service("a")], ["c.json", '{"services":[]}'], [
      "d.txt",
      "{",
    ]] as const
  ) {
    await Deno.writeTextFile(`${folder}/${file}`, text);
  }
  const read = await readDefinitions([folder], fakeSystem());
  assertEquals([read.services.map(({ service: { name } }) => name), read.mistakes], [["a", "b"], []]);
  const twice = await readDefinitions([folder, `${folder}/b.yaml`], fakeSystem());
  assertEquals(twice.mistakes.map(({ message }) => message), [
    `services[0] is web/b again, after ${folder}/b.yaml:2`,
  ]);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("the published schema is that of the rules", async () => {
  const published = await Deno.readTextFile(new URL("../../docs/definitions.schema.json", import.meta.url));
  assertEquals(JSON.parse(published), jsonSchema());
});
