/** Containers that break a rule are left out, however they do it. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { one, type Reach, reading, type Sketch } from "../../../support/docker_answers.ts";

/** What is against the rules, and what the warning says. */
const broken: readonly (readonly [title: string, sketch: Sketch, warning: string, options?: Reach])[] = [
  ["a TTL that is no number", { labels: { "empusa.ttl": "1h" } }, "label empusa.ttl must be a whole number"],
  ["a TTL for one port", { labels: { "empusa.80.ttl": "0" } }, "label empusa.80.ttl must be a whole number"],
  ["a weight of 0", { labels: { "empusa.weight": "0" } }, "label empusa.weight must be a whole number"],
  ["a type with a slash", { env: ["SERVICE_NAME=a/b"] }, "variable SERVICE_NAME must be 1 to 255 bytes"],
  ["a type with a comma", { labels: { SERVICE_NAME: "a,b" } }, 'label SERVICE_NAME must hold no ","'],
  ["a type of two lines", { labels: { "empusa.type": "a\nb" } }, "label empusa.type must be 1 to 255 bytes"],
  [
    "a name that is too long",
    { labels: { "empusa.name": "a".repeat(256) } },
    "label empusa.name must be 1 to 255",
  ],
  ["a tag with blanks", { env: ["SERVICE_TAGS=a b"] }, "variable SERVICE_TAGS must be 1 to 63 characters"],
  ["a tag with an escaped comma", { env: ["SERVICE_TAGS=a\\,b"] }, 'not "a,b"'],
  ["metadata of two lines", { env: ["SERVICE_NOTE=a\nb"] }, "must have a value of one line"],
  ["metadata that is too long", { labels: { "empusa.meta.a": "a".repeat(513) } }, "at most 512 bytes"],
  ["metadata without a key", { labels: { "empusa.meta": "a" } }, "label empusa.meta must be KEY=VALUE"],
  [
    "a mirror that the operator does not allow",
    { labels: { "empusa.80.mirrors": "grpc=/grpc" } },
    "label empusa.80.mirrors must not be given without --docker-mirrors",
    { mirrors: false },
  ],
  ["a mirror that nobody knows", { labels: { "empusa.mirrors": "x=/y" } }, "label empusa.mirrors must"],
  ["a label that nobody knows", { labels: { "empusa.wieght": "3" } }, "label empusa.wieght must be one of"],
  [
    "a check of a command",
    { labels: { "empusa.check.exec": "id" } },
    "label empusa.check.exec must be one of",
  ],
  ["a port that is none", { labels: { "empusa.port": "http" } }, "label empusa.port must be a port such as"],
  [
    "a port that is not published",
    { labels: { "empusa.81.type": "a" } },
    "label empusa.81.type must be about a port",
  ],
  ["a port on loopback that is asked for", {
    labels: { "empusa.port": "80" },
    published: { "80/tcp": ["127.0.0.1:80"] },
  }, "and not on loopback alone"],
  ["a port without an address", { labels: { "empusa.port": "80" } }, "has no address in such a network", {
    ip: "container",
    network: "back",
  }],
  [
    "ignore that is neither",
    { labels: { "empusa.ignore": "yes" } },
    "label empusa.ignore must be true or false",
  ],
  ["a check that is neither", { labels: { "empusa.check.tcp": "80" } }, "must be true or false"],
  [
    "a check of another host",
    { labels: { "empusa.check.http": "http://h/" } },
    "must be a path such as /health",
  ],
  [
    "a check of another host by a user",
    { labels: { "empusa.check.http": "@h/" } },
    "must be a path such as /health",
  ],
  ["a check with a placeholder", { labels: { "empusa.check.http": "/{ip}" } }, "and without braces"],
  ["a check at times that are none", {
    env: ["SERVICE_CHECK_TCP=1", "SERVICE_CHECK_INTERVAL=often"],
  }, "variable SERVICE_CHECK_INTERVAL must be seconds"],
  ["a check of UDP", {
    published: { "53/udp": ["0.0.0.0:53"] },
    labels: { "empusa.53.check.tcp": "true" },
  }, "must be about a TCP port"],
  [
    "the process ID of the agent",
    { labels: { "empusa.name": "{pid}" } },
    "label empusa.name must have no placeholders",
  ],
  [
    "an interface of the host",
    { labels: { "empusa.location": "{ip:eth1}:80" } },
    "must have no placeholders but",
  ],
  ["the host's name in a type", { labels: { "empusa.type": "{hostname}" } }, "must have no placeholders but"],
  ["a placeholder that is open", { env: ["SERVICE_NAME={port"] }, "must close every { with a }"],
  ["an image without a name", { image: "sha256:0123abc" }, 'its image "sha256:0123abc" must have a name'],
  ["too many services", {
    published: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`${i + 1}/tcp`, ["0.0.0.0:1"]])),
  }, "it must be at most 64 services, not 65"],
  [
    "too many ports",
    {
      exposed: Array.from({ length: 1001 }, (_, i) => `${i + 1}/tcp`),
    },
    "it must have at most 1000 ports, not 1001",
    { ip: "container" },
  ],
  ["too many labels", {
    labels: Object.fromEntries(Array.from({ length: 1001 }, (_, i) => [`SERVICE_${i + 1}_NAME`, "a"])),
  }, "it must have at most 1000 labels and variables for empusa"],
];
for (const [title, sketch, warning, options] of broken) {
  Deno.test(`a container that breaks a rule is left out: ${title}`, () => {
    const { services, warnings } = reading({ published: one, ...sketch }, options);
    assertEquals({ services, count: warnings.length }, { services: [], count: 1 });
    assertStringIncludes(warnings[0] ?? "", "skipped container web-1: ");
    assertStringIncludes(warnings[0] ?? "", warning);
  });
}

Deno.test("the warning on a container with many mistakes is short", () => {
  const labels = Object.fromEntries(
    Array.from({ length: 900 }, (_, i) => [`empusa.x${i}${"y".repeat(900)}`, ""]),
  );
  const { warnings: [warning = ""] } = reading({ labels });
  assertStringIncludes(warning, "; and 897 more");
  assertEquals(warning.length < 1100, true);
});

Deno.test("a hostile image with all ports and thousands of labels is read in time", () => {
  const exposed = Array.from({ length: 65_535 }, (_, i) => `${i + 1}/tcp`);
  const labels = Object.fromEntries(
    Array.from({ length: 50_000 }, (_, i) => [`empusa.${i + 1}.meta.a`, "b"]),
  );
  const began = performance.now();
  assertEquals(reading({ exposed, labels }, { ip: "container" }).services, []);
  assertEquals(reading({ exposed, networkMode: "host" }).services, []);
  assertEquals(performance.now() - began < 5000, true);
});

Deno.test("a label that JavaScript takes for something else changes nothing", () => {
  const labels = JSON.parse('{"__proto__": "x", "empusa.meta.__proto__": "y", "SERVICE___PROTO__": "z"}');
  const { services: [service], warnings } = reading({ published: one, labels });
  assertEquals(warnings, []);
  assertEquals(Object.keys(service?.definition.meta ?? { none: "" }), []);
});
