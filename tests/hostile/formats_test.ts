/** Hostile names and values in every format: no name stands for two instances, and every reader accepts its format. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { run } from "../../src/cli/run.ts";
import { type FormatName, formats, type Rendering } from "../../src/formats/mod.ts";
import type { RegisteredInstance } from "../../src/registry/instance.ts";
import { Etcd } from "../support/etcd.ts";
import { missingPrograms, testUnless } from "../support/lacking.ts";
import { connect, shell } from "../support/program.ts";
import { projectFile } from "../support/project.ts";
import { haproxy, haproxyFrontend, nginx } from "../support/consumers.ts";
import { fakeSystem } from "../support/system.ts";

const pipe: Rendering = { color: false, terminal: false, types: [] };

const at = (type: string, name: string, location: string): RegisteredInstance => ({
  ...{ type, name, location, ttl: null, grantedTtl: null, lease: undefined },
  ...{ createRevision: 3, modifyRevision: 7 },
});

function print(
  format: Exclude<FormatName, "table">,
  ...instances: RegisteredInstance[]
): [text: string, collisions: number] {
  const { text, collisions = [] } = formats[format].render(instances, pipe);
  return [text, collisions.length];
}

const upstream = (name: string, address: string): string => `upstream ${name} {\n    server ${address};\n}\n`;

Deno.test("nginx: a valid name is kept, whatever other names are mapped to it", () => {
  const app = [at("my app", "a", "10.0.0.66:80"), at("my_app", "a", "10.0.0.1:80")];
  assertEquals(print("nginx", ...app), [
    upstream("my_app_2", "10.0.0.66:80") + upstream("my_app", "10.0.0.1:80"),
    1,
  ]);
  // Nor does it matter what is registered under the number.
  assertEquals(print("nginx", ...app, at("my_app_2", "a", "10.0.0.2:80"))[0].match(/upstream \S+/g), [
    "upstream my_app_3",
    "upstream my_app",
    "upstream my_app_2",
  ]);
});

Deno.test("nginx: names that differ only in case are kept apart", () => {
  assertEquals(print("nginx", at("Web", "a", "10.0.0.66:80"), at("web", "a", "10.0.0.1:80")), [
    upstream("Web_2", "10.0.0.66:80") + upstream("web", "10.0.0.1:80"),
    1,
  ]);
});

Deno.test("haproxy: names that are mapped to the same word are numbered", () => {
  assertEquals(
    print(
      "haproxy",
      at("a", "b c", "h:1"),
      at("a", "b:c", "h:2"),
      at("a", "b_c", "h:3"),
      at("a:b", "c", "h:4"),
    ),
    [
      "server a:b_c_2 h:1 check\nserver a:b:c h:2 check\nserver a:b_c h:3 check\nserver a:b:c_2 h:4 check\n",
      2,
    ],
  );
});

Deno.test("env: types that are mapped to the same word are numbered", () => {
  assertEquals(print("env", at("WEB", "a", "h:1"), at("my-web", "a", "h:2"), at("my_web", "a", "h:3")), [
    "EMPUSA_WEB_1_LOCATION=h:1\nEMPUSA_MY_WEB_2_1_LOCATION=h:2\nEMPUSA_MY_WEB_1_LOCATION=h:3\n",
    1,
  ]);
  assertEquals(print("env", at("Web", "a", "h:1"), at("web", "a", "h:2"), at("web", "b", "h:3")), [
    "EMPUSA_WEB_2_1_LOCATION=h:1\nEMPUSA_WEB_1_LOCATION=h:2\nEMPUSA_WEB_2_LOCATION=h:3\n",
    1,
  ]);
});

Deno.test("hosts: names that differ only in case are both printed, and count as a collision", () => {
  assertEquals(print("hosts", at("a", "db", "10.0.0.1:1"), at("b", "DB", "10.0.0.2")), [
    "10.0.0.1 db\n10.0.0.2 DB\n",
    1,
  ]);
});

Deno.test("hosts: addresses with a port and without, and no name of this machine or address", () => {
  const [text] = print(
    "hosts",
    ...["10.0.0.7:80", "10.0.0.8", "::1", "[::2]", "[::3]:80", "tcp://10.0.0.9", "http://[::4]/x"].map((
      location,
      i,
    ) => at("web", `n${i}`, location)),
  );
  assertEquals(text, "10.0.0.7 n0\n10.0.0.8 n1\n::1 n2\n::2 n3\n::3 n4\n10.0.0.9 n5\n::4 n6\n");
  const names = [
    "localhost",
    "LocalHost",
    "x.localhost",
    "localhost.localdomain",
    "localhost6",
    "ip6-localhost",
    "broadcasthost",
    "10.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "a..b",
    "-a",
    "a.",
    "a".repeat(64),
  ];
  const { text: none, skipped = [] } = formats.hosts.render(
    names.map((name) => at("web", name, "10.0.0.7:80")),
  );
  assertEquals([none, skipped.length], ["", names.length]);
  const locations = ["h", "1", "127.1", "fe80::1%eth0", "[h]", "", "::x", "10.0.0.7/8"];
  assertEquals(print("hosts", ...locations.map((location) => at("web", "a", location))), ["", 0]);
});

Deno.test("nginx: a host named unix is no socket", () => {
  const { text, skipped = [] } = formats.nginx.render(
    [at("web", "a", "unix:80"), at("web", "b", "UNIX:80")],
    pipe,
  );
  assertEquals([formats.nginx.count(text), skipped.length], [0, 2]);
});

Deno.test("consul: the fields that readers index into", () => {
  const [entry] = JSON.parse(print("consul", at("web", "a", "10.0.0.7:80"))[0]);
  for (const field of ["ID", "Datacenter", "NodeMeta", "TaggedAddresses", "ServiceTaggedAddresses"]) {
    assert(field in entry, field);
  }
  assertEquals([entry.ServiceEnableTagOverride, entry.ServiceTaggedAddresses.lan], [
    false,
    { Address: "10.0.0.7", Port: 80 },
  ]);
});

Deno.test("table: a value of any length is cut where a person looks at it", async () => {
  const huge = "x".repeat(1_400_000);
  const rows = Array.from({ length: 500 }, (_, i) => at("web", `n${i}`, i === 0 ? huge : "h:1"));
  const { text } = await formats.table.render(rows, { ...pipe, terminal: true });
  assert(text.length < 500 * 400, `${text.length}`);
  assertStringIncludes(text, "x…");
  assertStringIncludes((await formats.table.render(rows, pipe)).text, huge);
});

testUnless(
  missingPrograms("haproxy", "nginx"),
  "nginx and HAProxy load what looks alike to them",
  async () => {
    const folder = await Deno.makeTempDir();
    try {
      const alike = [
        "Web",
        "web",
        "WEB",
        "my app",
        "my_app",
        "my\tapp",
        "größe",
        "gr__e",
        "upstream",
        "default",
        ".",
        "_",
      ];
      const instances = alike.sort().flatMap((
        type,
      ) => [at(type, "a b", "10.0.0.1:80"), at(type, "a_b", "unix:/x")]);
      for (
        const reader of [
          await nginx(folder, print("nginx", ...instances)[0]),
          await haproxy(folder, print("haproxy", ...instances)[0]),
        ]
      ) {
        assertEquals([reader.code, reader.stderr.replace(/.*(syntax is ok|test is successful)\n/g, "")], [
          0,
          "",
        ]);
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
);

/** Runs it against that etcd, and resolves to its exit code and what it wrote to standard error. */
async function called(etcd: Etcd, ...args: string[]): Promise<[code: number, stderr: string]> {
  const system = fakeSystem();
  const flags = ["--etcd-endpoint", etcd.endpoint, "--tree-root", "/foo"];
  return [await run([...flags, ...args], system), system.printed.stderr];
}

Deno.test("list and export warn about a collision, and fail with --strict", async () => {
  await using etcd = await Etcd.start();
  await etcd.putMany([["/foo/service/my app/a", "10.0.0.66:80"], ["/foo/service/my_app/a", "10.0.0.1:80"]]);
  const collision = "nginx cannot tell the type my app from my_app: its upstream is called my_app_2\n";
  assertEquals(await called(etcd, "service", "list", "--format", "nginx"), [
    0,
    `empusa: warning: ${collision}`,
  ]);
  assertEquals(await called(etcd, "service", "list", "--format", "nginx", "--strict"), [
    9,
    `empusa: cannot print as nginx: ${collision}`,
  ]);
  const [code, stderr] = await called(
    etcd,
    "service",
    "export",
    "--format",
    "nginx",
    "--output",
    "-",
    "--strict",
  );
  assertEquals([code, stderr], [9, `empusa: cannot print as nginx: ${collision}`]);
});

Deno.test("get of a location that is not UTF-8 fails", async () => {
  await using etcd = await Etcd.start();
  await new Deno.Command("bash", {
    args: ["-c", `printf '\\xff\\xfe' | etcdctl --endpoints=${etcd.endpoint} put /foo/service/web/raw`],
    env: { ETCDCTL_API: "3" },
  }).output();
  assertEquals(await called(etcd, "service", "get", "--service-type", "web", "--service-name", "raw"), [
    9,
    "empusa: cannot read web/raw: its location must be UTF-8\n",
  ]);
});

Deno.test("of many invalid entries, 100 are warned about", async () => {
  await using etcd = await Etcd.start();
  await etcd.putMany(
    Array.from({ length: 1000 }, (_, i) => [`/foo/service/deep/er/${i}/${"x".repeat(1000)}`, "h:1"]),
  );
  const [code, stderr] = await called(etcd, "service", "list", "--format", "plain");
  const lines = stderr.trimEnd().split("\n");
  assertEquals([code, lines.length, lines.at(-1)], [
    0,
    101,
    "empusa: warning: more than 100 such warnings; the rest are not shown",
  ]);
  assert(stderr.length < 101 * 400);
});

testUnless(
  missingPrograms("haproxy"),
  "a whole backend is what HAProxy loads, by the example of docs/finding.md as it is written",
  async (t) => {
    await using etcd = await Etcd.start();
    await etcd.putMany([
      ["/foo/service/web/a", "10.0.0.7:80"],
      ["/foo/service/web/b", "not-there.invalid:80"],
      ["/foo/service/web/c", "unix:/run/x.sock"],
    ]);
    const [, example] = /```sh\n(empusa service export [^`]*--haproxy-backend web[^`]*)```/
      .exec(await Deno.readTextFile(projectFile("docs/finding.md"))) ?? [];
    assert(example !== undefined);
    const folder = await Deno.makeTempDir();
    try {
      await Deno.writeTextFile(`${folder}/haproxy.cfg`, haproxyFrontend("web"));
      const script = `set -e; cd ${folder}; empusa() { "$program" "$@"; }; program=$0\n${example}`;
      const { code, stderr } = await shell(script, connect(etcd));
      assertEquals([code, stderr.split("\n")[0]], [0, "empusa: wrote web.cfg: 3 entries"]);
      assertEquals(
        await Deno.readTextFile(`${folder}/web.cfg`),
        "backend web\n  default-server init-addr last,libc,none\n  server web:a 10.0.0.7:80 check\n" +
          "  server web:b not-there.invalid:80 check\n  server web:c unix@/run/x.sock check\n",
      );
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
    await t.step("the option needs its format and a name that HAProxy takes", async () => {
      const flags = ["--etcd-endpoint", "h:1", "--tree-root", "/foo", "service", "list"];
      for (
        const [args, told] of [
          [
            ["--haproxy-backend", "web"],
            "--haproxy-backend (EMPUSA_HAPROXY_BACKEND) needs --format (EMPUSA_FORMAT) haproxy",
          ],
          [
            ["--format", "haproxy", "--haproxy-backend", "a b"],
            "must be made of letters, digits and _.:- only",
          ],
        ] as const
      ) {
        const system = fakeSystem();
        assertEquals(await run([...flags, ...args], system), 2);
        assertStringIncludes(system.printed.stderr, told);
      }
    });
  },
);
