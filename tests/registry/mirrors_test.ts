/** The keys and values of each mirror, and what it cannot express. */
import { assertEquals, assertThrows } from "@std/assert";
import { InvalidValueError } from "../../src/errors.ts";
import {
  checkMirrors,
  mirrorsOf,
  oldMirrors,
  ownMirrors,
  parseMirror,
} from "../../src/registry/mirrors/mod.ts";
import type { Entry } from "../../src/registry/store.ts";

const web = { type: "web", name: "web-1", location: "10.0.0.7:80" };
const rich = { ...web, metadata: { tags: ["v2"], meta: { version: "1.2", zone: "a" }, weight: 3 } };

function written(mirror: string, instance = web): (readonly [key: string, value: unknown])[] {
  return mirrorsOf({ ...instance, mirrors: [mirror] }, "/prod").map(({ key, value }) =>
    [key, value.startsWith("{") ? JSON.parse(value) : value] as const
  );
}

const rows: readonly (readonly [mirror: string, instance: typeof web, entries: readonly unknown[]])[] = [
  ["grpc=/grpc", web, [["/grpc/web/web-1", { Op: 0, Addr: "10.0.0.7:80", Metadata: null }]]],
  ["grpc=grpc/", rich, [["grpc/web/web-1", { Op: 0, Addr: "10.0.0.7:80", Metadata: rich.metadata }]]],
  ["grpc=/prod/grpc", { ...web, location: "[::1]:80" }, [
    ["/prod/grpc/web/web-1", { Op: 0, Addr: "[::1]:80", Metadata: null }],
  ]],
  ["coredns=example.org", web, [
    ["/skydns/org/example/web/web-1", { host: "10.0.0.7", port: 80, ttl: 1, weight: 1, priority: 10 }],
  ]],
  ["coredns=prod.example.org.,/dns", { ...rich, location: "http://app.local" }, [
    ["/dns/org/example/prod/web/web-1", { host: "app.local", port: 80, ttl: 1, weight: 3, priority: 10 }],
  ]],
  ["traefik", web, [["traefik/http/services/web/loadbalancer/servers/web-1/url", "http://10.0.0.7:80"]]],
  ["traefik=t", { ...rich, location: "https://h:1/x" }, [
    ["t/http/services/web/loadbalancer/servers/web-1/url", "https://h:1/x"],
    ["t/http/services/web/loadbalancer/servers/web-1/weight", "3"],
  ]],
  ["kratos", web, [["/microservices/web/web-1", {
    ...{ id: "web-1", name: "web", version: "", metadata: {} },
    endpoints: ["grpc://10.0.0.7:80?isSecure=false"],
  }]]],
  ["kratos=/k", { ...rich, location: "http://h:1" }, [["/k/web/web-1", {
    ...{ id: "web-1", name: "web", version: "1.2", metadata: rich.metadata.meta },
    endpoints: ["http://h:1"],
  }]]],
  ["kitex", rich, [["kitex/registry-etcd/web/10.0.0.7:80", {
    ...{ network: "tcp", address: "10.0.0.7:80", weight: 3, tags: rich.metadata.meta },
  }]]],
  ["gomicro", web, [["/micro/registry/web/web-1", {
    ...{ name: "web", version: "latest", metadata: {}, endpoints: [] },
    nodes: [{ id: "web-1", address: "10.0.0.7:80", metadata: {} }],
  }]]],
];

for (const [mirror, instance, entries] of rows) {
  Deno.test(`${mirror} of ${instance.location}: the keys and values that its readers look for`, () => {
    assertEquals(written(mirror, instance), entries as never);
  });
}

Deno.test("what a mirror cannot express is refused, never changed", () => {
  for (
    const [mirror, instance] of [
      ["grpc=/grpc", { ...web, location: "unix:/run/x" }],
      ["kitex", { ...web, location: "free text" }],
      ["coredns=example.org", { ...web, name: "Web_1" }],
      ["coredns=example.org", { ...web, type: "web.eu" }],
      ["coredns=example.org", { ...web, name: "x".repeat(64) }],
      ["traefik", { ...web, name: "a.b" }],
      ["traefik", { ...web, location: "ftp://h:21" }],
      ["grpc=/prod/service", web],
      ["kratos=/prod/service-meta", web],
      ["gomicro=/prod/switch", web],
    ] as const
  ) {
    assertThrows(() => written(mirror, instance), InvalidValueError);
  }
});

Deno.test("a mirror that cannot be understood is refused", () => {
  for (
    const mirror of [
      "",
      "nope",
      "grpc",
      "grpc=",
      "grpc=/",
      "grpc=/a//b",
      "grpc=/a\u0001",
      "coredns",
      "coredns=Ex_",
    ]
  ) {
    assertThrows(() => parseMirror(mirror), InvalidValueError);
  }
  assertThrows(
    () => checkMirrors(Array.from({ length: 17 }, (_, i) => `grpc=/g${i}`)),
    InvalidValueError,
    "at most 16",
  );
  assertThrows(
    () => mirrorsOf({ ...web, mirrors: ["kratos=/x", "gomicro=/x"] }, "/prod"),
    InvalidValueError,
    "have the same key",
  );
});

Deno.test("a record that somebody made up has no key deleted that is not the instance's", () => {
  const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
  const stored = (key: string, value: string, revision: number, lease?: string): Entry => ({
    ...{ key: encode(key), value: encode(value), lease, createRevision: 1, modifyRevision: revision },
  });
  const record = stored("/prod/service-meta/web/web-1", '{"mirrors":["grpc=/victim","nope","grpc=/own"]}', 9);
  assertEquals(oldMirrors(record, web, "/prod"), []);
  const known = oldMirrors(
    stored("/prod/service-meta/web/web-1", '{"mirrors":["grpc=/victim","grpc=/own"]}', 9),
    web,
    "/prod",
  );
  const [victim, own] = ["/victim/web/web-1", "/own/web/web-1"];
  assertEquals(known.map(({ key }) => key), [victim, own]);
  const value = known[1]?.value ?? "";
  // The same value proves nothing: what is the instance's own was written with its record.
  const permanent = new Map([[victim, stored(victim, value, 5)], [own, stored(own, value, 9)]]);
  assertEquals(ownMirrors(known, permanent, [record]), [own]);
  const leased = new Map([[victim, stored(victim, value, 9, "7")], [own, stored(own, value, 12, "8")]]);
  assertEquals(ownMirrors(known, leased, [{ ...record, lease: "8" }]), [own]);
  assertEquals(ownMirrors(known, leased, [undefined]), []);
});
