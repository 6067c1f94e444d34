/** What labels of ours become, and which containers ask to be services. */
import { assertEquals } from "@std/assert";
import { type Case, one, reading, shown, two, usual } from "../../../support/docker_answers.ts";

const cases: readonly Case[] = [
  ["labels of ours", {
    published: one,
    labels: {
      "empusa.type": "shop",
      "empusa.name": "{hostname}-{container}-{image}-{port}",
      "empusa.tags": "a,b",
      "empusa.meta": "zone=eu,rack=7",
      "empusa.meta.note": "a=b, c",
      "empusa.weight": "3",
      "empusa.ttl": "30",
      "empusa.mirrors": "grpc=/grpc",
      "empusa.check.http": "/health",
      "empusa.check.tcp": "true",
      "empusa.check.interval": "5",
      "empusa.check.timeout": "500ms",
      "empusa.check.rise": "2",
      "empusa.check.fall": "4",
    },
  }, [["shop/{hostname}-web-1-nginx-80@{ip}:8080", {
    tags: ["a", "b"],
    meta: { zone: "eu", rack: "7", note: "a=b, c" },
    weight: 3,
    ttl: 30,
    mirrors: ["grpc=/grpc"],
    checks: [
      { http: "http://{ip}:8080/health", interval: 5, timeout: 0.5, rise: 2, fall: 4 },
      { tcp: "location", interval: 5, timeout: 0.5, rise: 2, fall: 4 },
    ],
  }]]],
  ["labels of ours before Registrator's", {
    published: one,
    env: ["SERVICE_80_NAME=a", "SERVICE_ID=b", "SERVICE_TAGS=c", "SERVICE_IGNORE=1", "SERVICE_ZONE=eu"],
    labels: {
      "empusa.type": "x",
      "empusa.name": "y",
      "empusa.tags": "z",
      "empusa.ignore": "false",
      "empusa.meta.zone": "us",
    },
  }, [["x/y@{ip}:8080", { tags: ["z"], meta: { zone: "us" } }]]],
  ["labels of ours for a port", {
    published: two,
    labels: { "empusa.type": "shop", "empusa.80.type": "plain", "empusa.443.ignore": "true" },
  }, [`plain/${usual}@{ip}:8080`]],
  ["a type with {port}", { published: two, labels: { "empusa.type": "{image}{port}" } }, [
    `nginx80/${usual}@{ip}:8080`,
    "nginx443/{hostname}:web-1:443@{ip}:8443",
  ]],
  ["empusa.port", { published: two, labels: { "empusa.port": "443" } }, [
    "nginx/{hostname}:web-1:443@{ip}:8443",
  ]],
  ["empusa.port of UDP", {
    published: { "53/tcp": ["0.0.0.0:53"], "53/udp": ["0.0.0.0:54"] },
    labels: { "empusa.port": "53/udp" },
  }, [["nginx/{hostname}:web-1:53:udp@{ip}:54", { tags: ["udp"] }]]],
  ["empusa.port that is not exposed, at its own address", { labels: { "empusa.port": "9000" } }, [
    "nginx/{hostname}:web-1:9000@172.17.0.2:9000",
  ], { ip: "container" }],
  ["empusa.location without a port", { labels: { "empusa.location": "https://shop.example.org" } }, [
    "nginx/{hostname}:web-1@https://shop.example.org",
  ]],
  ["empusa.location of one port, which is checked where it is", {
    published: one,
    labels: { "empusa.location": "lb.example.org:{port}", "empusa.check.tcp": "true" },
  }, [[`nginx/${usual}@lb.example.org:80`, { checks: [{ tcp: "{ip}:8080" }] }]]],
  ["empusa.location of several ports is one of the container", {
    published: two,
    labels: { "empusa.location": "lb.example.org:80" },
  }, ["nginx/{hostname}:web-1@lb.example.org:80"]],
  ["empusa.PORT.location of a port that is not published", {
    labels: { "empusa.80.location": "{ip}:80" },
  }, [`nginx/${usual}@{ip}:80`]],

  ["explicit, and no word", { published: one }, [], { explicit: true }],
  ["explicit, and SERVICE_TAGS alone", { published: one, env: ["SERVICE_TAGS=a"] }, [], { explicit: true }],
  [
    "explicit, and SERVICE_80_NAME",
    { published: two, env: ["SERVICE_80_NAME=a"] },
    [`a/${usual}@{ip}:8080`],
    {
      explicit: true,
    },
  ],
  [
    "explicit, and empusa.type",
    { published: one, labels: { "empusa.type": "a" } },
    [`a/${usual}@{ip}:8080`],
    {
      explicit: true,
    },
  ],
  ["explicit, and empusa.ignore=false", { published: one, labels: { "empusa.ignore": "false" } }, [
    `nginx/${usual}@{ip}:8080`,
  ], { explicit: true }],
];
for (const [title, sketch, expected, options] of cases) {
  Deno.test(`a container as a service: ${title}`, () => {
    assertEquals(shown(reading(sketch, options)), expected);
  });
}
