/** Programs and libraries that ask for names, real ones. */
import { assert, assertEquals } from "@std/assert";
import { missingNamespaces, missingPrograms, testUnless } from "../support/lacking.ts";
import { lines, type NameServer, nameServer } from "./name_server.ts";
import { built, musl } from "./readers.ts";

const goResolver = await built("resolver");
const muslResolver = await musl();

/** 60 instances: their addresses do not fit into one datagram. */
const locations = Array.from({ length: 60 }, (_, i) => `10.0.0.${i + 1}:80${i}`);
const addresses = locations.map((location) => location.split(":")[0] ?? "").sort();

testUnless(missingPrograms("dig"), "dig finds all instances, over TCP if they do not fit", async () => {
  await using names = await nameServer(locations);
  const dig = (...args: readonly string[]): Promise<string[]> =>
    lines("dig", "@127.0.0.1", "-p", `${names.port}`, ...args);
  assertEquals(await dig("+short", "web.empusa"), addresses);
  assertEquals((await dig("+short", "_web._tcp.empusa", "SRV")).length, 60);
  assertEquals(await dig("+short", "w1.web.service.empusa"), ["10.0.0.2"]);
  assertEquals(await dig("+short", "-x", "10.0.0.2"), ["w1.web.empusa."]);
  assertEquals((await dig("+short", "+notcp", "+ignore", "+noedns", "web.empusa")).length, 30);
  const whole = (await dig("nothing.empusa", "+cookie", "+padding=128")).join("\n");
  assert(/status: NXDOMAIN/.test(whole) && /SOA\s+ns\.addr\.empusa/.test(whole), whole);
  // It says what it does not like of an answer.
  assert(!/WARN.*(malformed|mismatch|extra)|Got bad/i.test(whole), whole);
});

testUnless(missingPrograms("kdig"), "kdig finds all instances, on one connection too", async () => {
  await using names = await nameServer(locations);
  const kdig = (...args: readonly string[]): Promise<string[]> =>
    lines("kdig", "@127.0.0.1", "-p", `${names.port}`, ...args);
  assertEquals(await kdig("+short", "web.empusa"), addresses);
  assertEquals(await kdig("+short", "+tcp", "+keepopen", "w0.web.empusa", "w1.web.empusa"), [
    "10.0.0.1",
    "10.0.0.2",
  ]);
  const [line = ""] = (await kdig("+edns=1", "web.empusa")).filter((line) => line.includes("status:"));
  assert(line.includes("BADVERS"), line);
});

testUnless(missingPrograms("node"), "Node's resolver finds addresses, ports and weights", async () => {
  await using names = await nameServer(locations);
  const script = `
    const { Resolver } = require("dns").promises;
    const resolver = new Resolver();
    resolver.setServers(["127.0.0.1:${names.port}"]);
    (async () => {
      for (const address of await resolver.resolve4("web.empusa")) console.log(address);
      console.log((await resolver.resolveSrv("_web._tcp.empusa")).length + " services");
      console.log(await resolver.resolve4("x.empusa").catch((error) => error.code));
    })();`;
  assertEquals(await lines("node", "-e", script), [...addresses, "60 services", "ENOTFOUND"]);
});

Deno.test("Deno's resolver finds addresses and services", async () => {
  await using names = await nameServer(locations);
  const nameServer_ = { nameServer: { ipAddr: "127.0.0.1", port: names.port } };
  assertEquals((await Deno.resolveDns("web.empusa", "A", nameServer_)).sort(), addresses);
  assertEquals((await Deno.resolveDns("_web._tcp.empusa", "SRV", nameServer_)).length, 60);
});

/** Why no program can be made to ask a server of ours at port 53. */
const noPort53 = missingNamespaces("--mount");

/** A server at port 53 of an address of its own, and a command line that has a program ask it. */
async function atPort53(): Promise<{ names: NameServer; asking: readonly string[] }> {
  const byte = (): number => 1 + Math.floor(Math.random() * 253);
  const host = `127.${byte()}.${byte()}.${byte()}`;
  const names = await nameServer(locations, { host, port: 53 });
  const resolv = `${names.folder}/resolv.conf`;
  await Deno.writeTextFile(resolv, `nameserver ${host}\noptions timeout:2 attempts:2\n`);
  const script = 'mount --bind "$0" /etc/resolv.conf && exec "$@"';
  return { names, asking: ["--mount", "bash", "-c", script, resolv] };
}

/** What programs on the C library print for all addresses of a name. */
const python = `import socket
print("\\n".join({i[4][0] for i in socket.getaddrinfo("web.empusa", 80, socket.AF_INET, socket.SOCK_STREAM)}))`;

for (
  const [title, missing, command] of [
    ["glibc's resolver", undefined, ["getent", "ahostsv4", "web.empusa"]],
    ["Python's resolver", missingPrograms("python3"), ["python3", "-c", python]],
    ["Go's resolver", goResolver.missing, [goResolver.path, "web.empusa"]],
  ] as const
) {
  testUnless(noPort53 ?? missing, `${title} finds all addresses of a type`, async () => {
    const { names, asking } = await atPort53();
    await using _ = names;
    const found = await lines("unshare", ...asking, ...command);
    const all = new Set(found.map((line) => line.split(/\s/)[0] ?? ""));
    assertEquals([...all].sort(), addresses);
  });
}

testUnless(
  noPort53 ?? muslResolver.missing,
  "musl's resolver finds what fits into a datagram at least",
  async () => {
    const { names, asking } = await atPort53();
    await using _ = names;
    const found = await lines("unshare", ...asking, muslResolver.path, "web.empusa");
    // Before 1.2.4 it never asks over TCP, and takes what a truncated answer has.
    assert(found.length >= 30 && found.every((address) => addresses.includes(address)), found.join("\n"));
  },
);

testUnless(noPort53 ?? missingPrograms("busybox"), "busybox finds an instance by its name", async () => {
  const { names, asking } = await atPort53();
  await using _ = names;
  const found = await lines("unshare", ...asking, "busybox", "nslookup", "w1.web.empusa");
  assert(found.some((line) => /^Address.*10\.0\.0\.2\b/.test(line)), found.join("\n"));
});

testUnless(goResolver.missing, "Go's resolver sees services by weight", async () => {
  const { names, asking } = await atPort53();
  await using _ = names;
  const found = await lines("unshare", ...asking, goResolver.path, "-srv", "web", "empusa");
  assertEquals(found.length, 60);
});
