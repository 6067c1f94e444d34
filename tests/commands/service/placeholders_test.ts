import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import type { Context } from "../../../src/commands/shared/command.ts";
import { filled, isLocal } from "../../../src/commands/shared/placeholders.ts";
import { withPlaceholders } from "../../../src/definitions/placeholders.ts";
import { InvalidValueError, UnreachableError, UsageError } from "../../../src/errors.ts";
import { Log } from "../../../src/system/log.ts";
import { parseEndpoints, parseLocation } from "../../../src/registry/mod.ts";
import { sourceAddress } from "../../../src/system/source_address.ts";
import { fakeSystem } from "../../support/system.ts";

const known = ["{hostname}", "{ip}", "{ip:INTERFACE}"];
const rule = withPlaceholders(known, parseLocation);
/** What messages call it. */
const setting = "--service-location (EMPUSA_SERVICE_LOCATION)";

/** A machine with two interfaces, and ways to some hosts. */
function context(ways: Readonly<Record<string, string>> = {}): Context {
  const system = {
    ...fakeSystem(),
    networkInterfaces: () => new Map([["eth0", ["10.0.0.7", "fd00::7"]], ["v6", ["fd00::8"]]]),
    sourceAddress: (host: string): Promise<string> => {
      const way = ways[host];
      return way === undefined ? Promise.reject(new Error("no way")) : Promise.resolve(way);
    },
  };
  return {
    system,
    log: new Log(system.stderr),
    timeout: 1000,
    endpoints: parseEndpoints("etcd-1:2379,etcd-2:2379", "http"),
    treeRoot: "/foo",
    command: [],
    accessTo: () => Promise.resolve({}),
    openRegistry: () => Promise.reject(new Error("nothing is to be opened")),
  };
}

const fill = (text: string, ways?: Readonly<Record<string, string>>): Promise<string> =>
  filled(setting, rule(text), parseLocation, context(ways));

Deno.test("placeholders are replaced wherever they stand, and IPv6 gets its brackets once", async () => {
  assertEquals(await fill("h:1"), "h:1");
  assertEquals(await fill("http://{hostname}/{hostname}"), "http://here/here");
  assertEquals(await fill("{ip:eth0}:80"), "10.0.0.7:80");
  assertEquals(await fill("{ip:v6}:80"), "[fd00::8]:80");
  assertEquals(await fill("http://[{ip:v6}]:80/"), "http://[fd00::8]:80/");
  assertEquals(await fill("http://[{ip:eth0}]:80/"), "http://10.0.0.7:80/");
  assertEquals(await fill("[{ip:eth0}]:80"), "10.0.0.7:80");
  assertEquals(await fill("{ip}:80", { "etcd-1": "10.1.1.1" }), "10.1.1.1:80");
  assertEquals(await fill("{ip}:80", { "etcd-2": "10.1.1.2" }), "10.1.1.2:80");
});

Deno.test("what cannot be found out is named", async () => {
  const nowhere = await assertRejects(() => fill("{ip}:80"), UnreachableError);
  assertEquals(
    nowhere.message,
    "cannot find out the address that this machine uses towards etcd, {ip} in --service-location (EMPUSA_SERVICE_LOCATION): " +
      "etcd-1: no way; etcd-2: no way",
  );
  const missing = await assertRejects(() => fill("{ip:eth1}:80"), UsageError);
  assertEquals(
    missing.message,
    '--service-location (EMPUSA_SERVICE_LOCATION) names the network interface "eth1", which has no address; those that have one are eth0, v6',
  );
});

Deno.test("other placeholders break the rule", () => {
  for (const text of ["{pid}", "{}", "{IP}", "{ip:}x{host}", "{hostname:eth0}", "{ip eth0}"]) {
    const error = assertThrows(() => rule(text), InvalidValueError);
    assertEquals(error.message, "have no placeholders but {hostname} and {ip} and {ip:INTERFACE}");
  }
});

Deno.test("locations that nobody else can reach are known", () => {
  for (
    const location of [
      "localhost:1",
      "127.0.1.1:80",
      "[::1]:80",
      "0.0.0.0:80",
      "[::]:80",
      "http://localhost/",
      "LOCALHOST:1",
      "127.1.2.3",
      "localhost",
      "tcp://127.0.0.1",
      "[::ffff:127.0.0.1]:80",
    ]
  ) {
    assertEquals([location, isLocal(location)], [location, true]);
  }
  for (
    const location of ["10.0.0.7:80", "local:1", "[fd00::1]:80", "unix:/run/x", "free text", "1.127.0.1:80"]
  ) {
    assertEquals([location, isLocal(location)], [location, false]);
  }
});

Deno.test("the address towards this machine is its own", async () => {
  assertEquals(await sourceAddress("127.0.0.1"), "127.0.0.1");
  assertEquals(await sourceAddress("::1"), "::1");
  await assertRejects(() => sourceAddress("nowhere.invalid"), Error, "the host name is unknown");
});
