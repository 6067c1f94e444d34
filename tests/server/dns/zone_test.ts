/** The names of the zone, and the records that they have. */
import { assertEquals } from "@std/assert";
import type { RegisteredInstance } from "../../../src/registry/mod.ts";
import { answerOf, registered, responderOf, type TypeName, viewOf } from "../../support/dns.ts";

const metadata = (
  tags: readonly string[],
  weight = 1,
  meta: Record<string, string> = {},
): Pick<RegisteredInstance, "metadata"> => ({ metadata: { tags, meta, weight } });

const out = { out: { state: "maintenance", reason: "" } } as const;

const instances = [
  {
    type: "web",
    name: "a",
    location: "10.0.0.1:80",
    ...metadata(["v1", "Blue"], 5, { zone: "x", n: "1=2" }),
  },
  { type: "web", name: "b", location: "http://[fd00::2]:81/path", ...metadata(["v1"]) },
  { type: "web", name: "c", location: "10.0.0.3", ...metadata(["v2"]) },
  { type: "web", name: "Not a label", location: "10.0.0.4:84" },
  { type: "web", name: "off", location: "10.0.0.5:85", ...out, ...metadata(["v3"]) },
  { type: "host", name: "a", location: "DB.example.org:5432" },
  { type: "mixed", name: "a", location: "db.example.org:1" },
  { type: "mixed", name: "b", location: "10.0.1.1:2" },
  { type: "loop", name: "a", location: "loop.z:1" },
  { type: "strange", name: "a", location: "unix:/run/x" },
  { type: "strange", name: "b", location: "x".repeat(64) + ".org:80" },
  { type: "twice", name: "a", location: "10.0.2.1:80" },
  { type: "twice", name: "b", location: "10.0.2.1:81" },
  { type: "Big", name: "One", location: "10.0.3.1:80" },
  { type: "case", name: "X", location: "10.0.4.1:80" },
  { type: "case", name: "x", location: "10.0.4.2:80" },
  { type: "case", name: "tagged", location: "10.0.4.3:80", ...metadata(["x"]) },
  { type: "paused", name: "a", location: "10.0.5.1:80", ...out },
  { type: "service", name: "a", location: "10.0.6.1:80" },
  { type: "not a label", name: "a", location: "10.0.6.2:80" },
  { type: "mapped", name: "a", location: "[::ffff:10.0.7.1]:80" },
];

const soa = "1 SOA ns.addr.z hostmaster.z 7 1";

/** Questions, and the answers or the code and whether the domain's SOA comes with it. */
const rows: readonly (readonly [name: string, type: TypeName, answers: readonly string[] | number])[] = [
  ["web.z", "A", ["1 A 10.0.0.1", "1 A 10.0.0.3", "1 A 10.0.0.4"]],
  ["WEB.Service.Z", "A", ["1 A 10.0.0.1", "1 A 10.0.0.3", "1 A 10.0.0.4"]],
  ["web.z", "AAAA", ["1 AAAA fd00::2"]],
  ["web.z", "SRV", ["1 SRV 1 1 81 b.web.z", "1 SRV 1 1 84 0a000004.addr.z", "1 SRV 1 5 80 a.web.z"]],
  ["_web._tcp.z", "SRV", ["1 SRV 1 1 81 b.web.z", "1 SRV 1 1 84 0a000004.addr.z", "1 SRV 1 5 80 a.web.z"]],
  ["_web._udp.service.z", "SRV", [
    "1 SRV 1 1 81 b.web.z",
    "1 SRV 1 1 84 0a000004.addr.z",
    "1 SRV 1 5 80 a.web.z",
  ]],
  ["_web._blue.z", "SRV", ["1 SRV 1 5 80 a.web.z"]],
  ["blue.web.z", "A", ["1 A 10.0.0.1"]],
  ["v1.web.service.z", "SRV", ["1 SRV 1 1 81 b.web.z", "1 SRV 1 5 80 a.web.z"]],
  ["a.web.z", "TXT", ["1 TXT n=1=2", "1 TXT zone=x"]],
  ["c.web.z", "SRV", 0],
  ["c.web.z", "A", ["1 A 10.0.0.3"]],
  ["web.z", "TXT", 0],
  ["_web._tcp.z", "A", 0],
  ["0a000004.addr.z", "A", ["1 A 10.0.0.4"]],
  ["0a000004.addr.z", "AAAA", 0],
  ["fd000000000000000000000000000002.addr.z", "AAAA", ["1 AAAA fd00::2"]],
  ["host.z", "A", ["1 CNAME db.example.org"]],
  ["host.z", "AAAA", ["1 CNAME db.example.org"]],
  ["host.z", "SRV", ["1 SRV 1 1 5432 db.example.org"]],
  ["a.host.z", "CNAME", ["1 CNAME db.example.org"]],
  ["mixed.z", "A", ["1 A 10.0.1.1"]],
  ["mixed.z", "SRV", ["1 SRV 1 1 1 db.example.org", "1 SRV 1 1 2 b.mixed.z"]],
  ["loop.z", "A", 0],
  ["loop.z", "SRV", 0],
  ["strange.z", "SRV", 0],
  ["twice.z", "A", ["1 A 10.0.2.1"]],
  ["twice.z", "SRV", ["1 SRV 1 1 80 a.twice.z", "1 SRV 1 1 81 b.twice.z"]],
  ["big.z", "SRV", ["1 SRV 1 1 80 0a000301.addr.z"]],
  ["one.big.z", "A", ["1 A 10.0.3.1"]],
  ["x.case.z", "A", ["1 A 10.0.4.2"]],
  ["case.z", "SRV", [
    "1 SRV 1 1 80 0a000401.addr.z",
    "1 SRV 1 1 80 tagged.case.z",
    "1 SRV 1 1 80 x.case.z",
  ]],
  ["mapped.z", "AAAA", ["1 AAAA ::ffff:a00:701"]],
  ["z", "SOA", [soa]],
  ["z", "NS", ["1 NS ns.addr.z"]],
  ["z", "A", 0],
  ["ns.addr.z", "A", ["1 A 127.0.0.1"]],
  ["1.0.0.10.in-addr.arpa", "PTR", ["1 PTR a.web.z"]],
  ["1.2.0.10.in-addr.arpa", "PTR", ["1 PTR a.twice.z", "1 PTR b.twice.z"]],
  ["2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa", "PTR", ["1 PTR b.web.z"]],
  // What is between names, or has other records, is there.
  ["_tcp.z", "SRV", 0],
  ["_udp.service.z", "A", 0],
  ["_blue.z", "A", 0],
  ["service.z", "A", 0],
  ["addr.z", "A", 0],
  ["paused.z", "A", 0],
  ["off.web.z", "A", 0],
  // What nothing has is not.
  ["nothing.z", "A", 3],
  ["_nothing.z", "A", 3],
  ["_web._nothing.z", "SRV", 3],
  ["nothing._tcp.z", "SRV", 3],
  ["nothing.web.z", "A", 3],
  ["v3.web.z", "A", 3],
  ["a.b.web.z", "A", 3],
  ["0a000005.addr.z", "A", 3],
  ["x.addr.z", "A", 3],
  ["a.service.z", "A", 3],
];

Deno.test("each name has its records, those that have none have the SOA of the domain", async (t) => {
  using view = viewOf(...instances);
  using responder = responderOf(view);
  for (const [name, type, expected] of rows) {
    await t.step(`${type} ${name}`, () => {
      const { rcode, answers, authorities, flags, question } = answerOf(responder, name, type, {
        over: "tcp",
      });
      const isNegative = typeof expected === "number";
      assertEquals([rcode, answers], isNegative ? [expected, []] : [0, expected]);
      assertEquals(authorities, isNegative ? [name === "z" ? soa : `z ${soa}`] : []);
      assertEquals([flags, question], ["aa rd", name]);
    });
  }
  // The host of one is its own name, two are no addresses, and the types of two are no labels.
  assertEquals(responder.lacking, 5);
});

Deno.test("the addresses of the names that records lead to come with them", () => {
  using view = viewOf(...instances);
  using responder = responderOf(view);
  assertEquals(answerOf(responder, "_web._tcp.z", "SRV").additionals, [
    "0a000004.addr.z 1 A 10.0.0.4",
    "a.web.z 1 A 10.0.0.1",
    "b.web.z 1 AAAA fd00::2",
  ]);
  assertEquals(answerOf(responder, "z", "NS").additionals, ["ns.addr.z 1 A 127.0.0.1"]);
  assertEquals(answerOf(responder, "host.z", "SRV").additionals, []);
});

Deno.test("what is not of the domain is refused, as are transfers of it", () => {
  using view = viewOf(...instances);
  using responder = responderOf(view);
  for (
    const [name, type] of [
      ["example.org", "A"],
      ["notz", "A"],
      ["", "NS"],
      ["9.9.9.9.in-addr.arpa", "PTR"],
      ["1.0.0.10.in-addr.arpa", "A"],
      ["999.0.0.10.in-addr.arpa", "PTR"],
      ["z", "AXFR"],
      ["z", "IXFR"],
    ] as const
  ) {
    const { rcode, answers, authorities, flags } = answerOf(responder, name, type);
    assertEquals([name, rcode, answers, authorities, flags], [name, 5, [], [], "rd"]);
  }
});

Deno.test("an answer changes with the view: with each revision of the type, address or tag that it is about", async () => {
  using view = viewOf(...instances);
  using responder = responderOf(view);
  const ask = (name: string, type: TypeName): string => {
    const { rcode, answers } = answerOf(responder, name, type);
    return `${rcode} ${answers}`;
  };
  const questions = [["host.z", "A"], ["new.z", "A"], ["0a000901.addr.z", "A"], ["_fresh.z", "A"]] as const;
  const all = (): string[] => questions.map(([name, type]) => ask(name, type));
  assertEquals(all(), ["0 1 CNAME db.example.org", "3 ", "3 ", "3 "]);
  const published = async (change: () => void): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    using _ = view.subscribe(() => resolve());
    change();
    await promise;
  };
  const item = registered({ type: "New", name: "a", location: "10.0.9.1:80", ...metadata(["Fresh"]) });
  await published(() => {
    view.takeServices({ kind: "put", item, revision: 8 });
    view.takeServices({
      kind: "put",
      item: registered({ type: "host", name: "a", location: "10.0.9.2:80" }),
      revision: 9,
    });
  });
  assertEquals(all(), ["0 1 A 10.0.9.2", "0 1 A 10.0.9.1", "0 1 A 10.0.9.1", "0 "]);
  assertEquals(answerOf(responder, "nothing.z", "A").authorities, ["z 1 SOA ns.addr.z hostmaster.z 9 1"]);
  await published(() => view.takeServices({ kind: "put", item: { ...item, ...out }, revision: 10 }));
  assertEquals(all(), ["0 1 A 10.0.9.2", "0 ", "3 ", "3 "]);
  await published(() => view.takeServices({ kind: "delete", item, revision: 11 }));
  assertEquals(all(), ["0 1 A 10.0.9.2", "3 ", "3 ", "3 "]);
});
