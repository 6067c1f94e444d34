/** What labels and variables become: Registrator's conventions, and ours. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { type Reading, readServices } from "../../../../src/agent/sources/docker/services.ts";
import { container, type Sketch } from "../../../support/docker_answers.ts";

interface Options {
  readonly ip?: string;
  readonly network?: string;
  readonly explicit?: boolean;
}

function read(sketch: Sketch, options: Options = {}, owner?: Sketch): Reading {
  const all = { ip: "host", explicit: false, ...options };
  return readServices(container(sketch), all, owner && container(owner));
}

/** `type/name@location`, with what else is not as usual. */
function shown({ services, warnings }: Reading): unknown[] {
  return [
    ...services.map(({ definition }) => {
      const { type, name, location, tags, meta, weight, ttl, mirrors, checks } = definition;
      const more = {
        ...tags.length === 0 ? {} : { tags },
        ...Object.keys(meta).length === 0 ? {} : { meta },
        ...weight === 1 ? {} : { weight },
        ...ttl === undefined ? {} : { ttl },
        ...mirrors.length === 0 ? {} : { mirrors },
        ...checks.length === 0 ? {} : { checks },
      };
      const text = `${type}/${name}@${location}`;
      return Object.keys(more).length === 0 ? text : [text, more];
    }),
    ...warnings,
  ];
}

const one = { "80/tcp": ["0.0.0.0:8080"] };
const two = { "80/tcp": ["0.0.0.0:8080"], "443/tcp": ["0.0.0.0:8443"] };
const usual = "{hostname}:web-1:80";

const cases: readonly (readonly [title: string, sketch: Sketch, expected: unknown[], options?: Options])[] = [
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
    assertEquals(shown(read(sketch, options)), expected);
  });
}

Deno.test("a container that shares another's network has its address and its published ports", () => {
  const app = {
    id: "2",
    name: "app",
    networkMode: `container:${"1".padStart(64, "0")}`,
    networks: {},
    exposed: ["80/tcp"],
  };
  const owner = { published: one };
  assertEquals(shown(read(app, {}, owner)), ["nginx/{hostname}:app:80@{ip}:8080"]);
  assertEquals(shown(read(app, { ip: "container" }, owner)), ["nginx/{hostname}:app:80@172.17.0.2:80"]);
  assertEquals(shown(read(app, { ip: "container" })), []);
});

/** What is against the rules, and what the warning says. */
const broken: readonly (readonly [title: string, sketch: Sketch, warning: string, options?: Options])[] = [
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
    const { services, warnings } = read({ published: one, ...sketch }, options);
    assertEquals({ services, count: warnings.length }, { services: [], count: 1 });
    assertStringIncludes(warnings[0] ?? "", "skipped container web-1: ");
    assertStringIncludes(warnings[0] ?? "", warning);
  });
}

Deno.test("the warning on a container with many mistakes is short", () => {
  const labels = Object.fromEntries(
    Array.from({ length: 900 }, (_, i) => [`empusa.x${i}${"y".repeat(900)}`, ""]),
  );
  const { warnings: [warning = ""] } = read({ labels });
  assertStringIncludes(warning, "; and 897 more");
  assertEquals(warning.length < 1100, true);
});

Deno.test("a hostile image with all ports and thousands of labels is read within a second", () => {
  const exposed = Array.from({ length: 65_535 }, (_, i) => `${i + 1}/tcp`);
  const labels = Object.fromEntries(
    Array.from({ length: 50_000 }, (_, i) => [`empusa.${i + 1}.meta.a`, "b"]),
  );
  const began = performance.now();
  assertEquals(read({ exposed, labels }, { ip: "container" }).services, []);
  assertEquals(read({ exposed, networkMode: "host" }).services, []);
  assertEquals(performance.now() - began < 1000, true);
});

Deno.test("a label that JavaScript takes for something else changes nothing", () => {
  const labels = JSON.parse('{"__proto__": "x", "empusa.meta.__proto__": "y", "SERVICE___PROTO__": "z"}');
  const { services: [service], warnings } = read({ published: one, labels });
  assertEquals(warnings, []);
  assertEquals(Object.keys(service?.definition.meta ?? { none: "" }), []);
});
