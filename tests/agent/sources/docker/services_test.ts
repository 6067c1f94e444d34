/** Where services are, and what Registrator's conventions become. */
import { assertEquals } from "@std/assert";
import { type Case, idOf, one, reading, shown, two, usual } from "../../../support/docker_answers.ts";

const cases: readonly Case[] = [
  ["a published port", { published: one }, [`nginx/${usual}@{ip}:8080`]],
  ["an image of a registry, with a tag", { image: "r.example:5000/a/nginx:1.2", published: one }, [
    `nginx/${usual}@{ip}:8080`,
  ]],
  ["an image with a digest", { image: "nginx:1@sha256:0123", published: one }, [`nginx/${usual}@{ip}:8080`]],
  ["several ports", { published: two }, [
    `nginx-80/${usual}@{ip}:8080`,
    "nginx-443/{hostname}:web-1:443@{ip}:8443",
  ]],
  ["a port of UDP", { published: { "53/udp": ["0.0.0.0:53"] } }, [
    ["nginx/{hostname}:web-1:53:udp@{ip}:53", { tags: ["udp"] }],
  ]],
  ["a port that is exposed alone", { exposed: ["80/tcp"] }, []],
  ["no port", {}, []],

  ["a port on IPv4 and IPv6", { published: { "80/tcp": ["0.0.0.0:81", "[::]:81"] } }, [
    `nginx/${usual}@{ip}:81`,
  ]],
  ["a port on IPv6 alone", { published: { "80/tcp": ["[::]:81"] } }, [`nginx/${usual}@{ip}:81`]],
  ["a port at one address", { published: { "80/tcp": ["10.0.0.7:81"] } }, [`nginx/${usual}@10.0.0.7:81`]],
  ["a port at one address of IPv6", { published: { "80/tcp": ["[fd00::7]:81"] } }, [
    `nginx/${usual}@[fd00::7]:81`,
  ]],
  ["a port on loopback", { published: { "80/tcp": ["127.0.0.1:81"] } }, []],
  ["a port on loopback of IPv6", { published: { "80/tcp": ["[::1]:81"] } }, []],
  ["a port on loopback and elsewhere", { published: { "80/tcp": ["127.0.0.1:81", "10.0.0.7:82"] } }, [
    `nginx/${usual}@10.0.0.7:82`,
  ]],
  ["a port at no address", { published: { "80/tcp": ["evil host:81", "10.0.0.7:0"] } }, []],
  [
    "one of two ports on loopback",
    { published: { ...one, "81/tcp": ["127.0.0.1:81"] } },
    [`nginx/${usual}@{ip}:8080`],
  ],
  ["the host's network", { networkMode: "host", exposed: ["80/tcp"] }, [`nginx/${usual}@{ip}:80`]],
  ["an address of the operator", { published: one }, [`nginx/${usual}@192.0.2.1:8080`], { ip: "192.0.2.1" }],
  ["an address of the operator, for a port at another one", { published: { "80/tcp": ["10.0.0.7:81"] } }, [
    `nginx/${usual}@[fd00::1]:81`,
  ], { ip: "fd00::1" }],

  ["its own address", { exposed: ["80/tcp"] }, [`nginx/${usual}@172.17.0.2:80`], { ip: "container" }],
  ["its own address of IPv6", { exposed: ["80/tcp"], networks: { bridge: " fd00::2" } }, [
    `nginx/${usual}@[fd00::2]:80`,
  ], { ip: "container" }],
  [
    "its own address in the network that it was started in",
    { exposed: ["80/tcp"], networkMode: "front", networks: { back: "10.1.0.2", front: "10.2.0.2" } },
    [`nginx/${usual}@10.2.0.2:80`],
    { ip: "container" },
  ],
  [
    "its own address in a network of the operator",
    { exposed: ["80/tcp"], networkMode: "front", networks: { back: "10.1.0.2", front: "10.2.0.2" } },
    [`nginx/${usual}@10.1.0.2:80`],
    { ip: "container", network: "back" },
  ],
  [
    "its own address in a network by label",
    {
      exposed: ["80/tcp"],
      networks: { back: "10.1.0.2", front: "10.2.0.2" },
      labels: { "empusa.network": "back" },
    },
    [`nginx/${usual}@10.1.0.2:80`],
    { ip: "container", network: "front" },
  ],
  ["no address in the network of the operator", { exposed: ["80/tcp"] }, [], {
    ip: "container",
    network: "back",
  }],
  ["no network", { exposed: ["80/tcp"], networks: { none: "" } }, [], { ip: "container" }],
  ["its own address in the host's network", { networkMode: "host", exposed: ["80/tcp"] }, [
    `nginx/${usual}@{ip}:80`,
  ], { ip: "container" }],

  ["SERVICE_NAME", { published: one, env: ["SERVICE_NAME=shop"] }, [`shop/${usual}@{ip}:8080`]],
  ["SERVICE_NAME and several ports", { published: two, env: ["SERVICE_NAME=shop"] }, [
    `shop-80/${usual}@{ip}:8080`,
    "shop-443/{hostname}:web-1:443@{ip}:8443",
  ]],
  ["SERVICE_80_NAME", { published: two, env: ["SERVICE_80_NAME=shop", "SERVICE_NAME=other"] }, [
    `shop/${usual}@{ip}:8080`,
    "other-443/{hostname}:web-1:443@{ip}:8443",
  ]],
  ["a label before a variable", {
    published: one,
    env: ["SERVICE_NAME=variable"],
    labels: { SERVICE_NAME: "label" },
  }, [`label/${usual}@{ip}:8080`]],
  ["SERVICE_ID", { published: one, env: ["SERVICE_ID=a"] }, ["nginx/a@{ip}:8080"]],
  ["SERVICE_TAGS", { published: one, env: ["SERVICE_TAGS=a, b,,c"] }, [
    [`nginx/${usual}@{ip}:8080`, { tags: ["a", "b", "c"] }],
  ]],
  ["SERVICE_IGNORE", { published: one, env: ["SERVICE_IGNORE=1"] }, []],
  ["SERVICE_443_IGNORE", { published: two, labels: { SERVICE_443_IGNORE: "yes" } }, [
    `nginx-80/${usual}@{ip}:8080`,
  ]],
  ["an empty SERVICE_IGNORE", { published: one, env: ["SERVICE_IGNORE="] }, [`nginx/${usual}@{ip}:8080`]],
  ["other variables", {
    published: one,
    env: ["SERVICE_ZONE=eu", "SERVICE_80_RACK=7", "SERVICE_81_RACK=8", "A=b"],
  }, [
    [`nginx/${usual}@{ip}:8080`, { meta: { zone: "eu", rack: "7" } }],
  ]],
  [
    "SERVICE_CHECK_HTTP",
    {
      published: one,
      env: ["SERVICE_CHECK_HTTP=/up?a b", "SERVICE_CHECK_INTERVAL=1m30s", "SERVICE_CHECK_TIMEOUT=2s"],
    },
    [[`nginx/${usual}@{ip}:8080`, {
      checks: [{ http: "http://{ip}:8080/up?a%20b", interval: 90, timeout: 2 }],
    }]],
  ],
  ["SERVICE_80_CHECK_HTTPS", { published: two, env: ["SERVICE_443_CHECK_HTTPS=/"] }, [
    `nginx-80/${usual}@{ip}:8080`,
    ["nginx-443/{hostname}:web-1:443@{ip}:8443", { checks: [{ http: "https://{ip}:8443/" }] }],
  ]],
  ["SERVICE_CHECK_TCP", { published: one, env: ["SERVICE_CHECK_TCP=true"] }, [
    [`nginx/${usual}@{ip}:8080`, { checks: [{ tcp: "location" }] }],
  ]],
  ["SERVICE_CHECK_SCRIPT", {
    published: one,
    env: ["SERVICE_CHECK_SCRIPT=rm -rf /", "SERVICE_CHECK_INTERVAL=5s"],
  }, [
    `nginx/${usual}@{ip}:8080`,
    "ignored SERVICE_CHECK_SCRIPT of container web-1: empusa checks its services by CHECK_HTTP, CHECK_HTTPS and " +
    "CHECK_TCP, and runs no commands of containers; use HEALTHCHECK",
  ]],
];
for (const [title, sketch, expected, options] of cases) {
  Deno.test(`a container as a service: ${title}`, () => {
    assertEquals(shown(reading(sketch, options)), expected);
  });
}

Deno.test("a container that shares another's network has its address and its published ports", () => {
  const app = {
    id: "2",
    name: "app",
    networkMode: `container:${idOf("1")}`,
    networks: {},
    exposed: ["80/tcp"],
  };
  const owner = { published: one };
  assertEquals(shown(reading(app, {}, owner)), ["nginx/{hostname}:app:80@{ip}:8080"]);
  assertEquals(shown(reading(app, { ip: "container" }, owner)), ["nginx/{hostname}:app:80@172.17.0.2:80"]);
  assertEquals(shown(reading(app, { ip: "container" })), []);
});
