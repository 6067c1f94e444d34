/** `switch test` ends with 1 where the switch is off, and never else: a script takes 1 for an answer. */
import { assertEquals } from "@std/assert";
import { CertificateAuthority } from "../support/certificates.ts";
import { Etcd } from "../support/etcd.ts";
import { projectFile } from "../support/project.ts";
import { connect, shell } from "../support/program.ts";

/** A failure: what it is, the line of bash that provokes it for a switch that is on, and the code that it ends with. */
type Failure = readonly [what: string, line: string, code: number];

const key = "/foo/switch/maintenance";
const ask = `"$0" switch test maintenance`;
/** A byte that no UTF-8 has. */
const byte = String.raw`$'\xff'`;

/** What is wrong with the line, or with what surrounds the process. */
const local: readonly Failure[] = [
  ["nothing wrong", ask, 0],
  ["no name", `"$0" switch test`, 2],
  ["an empty name", `"$0" switch test ""`, 2],
  ["two names", `${ask} other`, 2],
  ["a name with a line break", `"$0" switch test $'a\\nb'`, 2],
  ["an option that does not exist", `${ask} --nope`, 2],
  ["an option without its value", `${ask} --timeout`, 2],
  ["a value that breaks a rule", `${ask} --timeout soon`, 2],
  ["a command behind --", `${ask} -- true`, 2],
  ["a command that does not exist", `"$0" switch tset maintenance`, 2],
  ["an argument that is no UTF-8", `"$0" switch test ${byte}`, 2],
  ["a value that is no UTF-8", `${ask} --tree-root ${byte}`, 2],
  ["a variable of ours that is no UTF-8", `EMPUSA_TREE_ROOT=${byte} ${ask}`, 2],
  ["a variable that is taken for ours and is no UTF-8", `SSL_CERT_FILE=${byte} ${ask}`, 2],
  ["variables of others that are no UTF-8", `FOO=${byte} LANG=${byte} http_proxy=${byte} ${ask}`, 0],
  ["variables that libraries read and are no UTF-8", `GRPC_TRACE=${byte} GRPC_VERBOSITY=${byte} ${ask}`, 0],
  ["a variable of Node's that is no UTF-8", `NODE_OPTIONS=${byte} ${ask}`, 0],
  ["a variable that breaks a rule", `EMPUSA_TIMEOUT=soon ${ask}`, 2],
  ["no endpoint", `EMPUSA_ETCD_ENDPOINT= ${ask}`, 2],
  ["an endpoint without a port", `${ask} --etcd-endpoint localhost`, 2],
  ["a CA bundle that does not exist", `${ask} --etcd-endpoint https://localhost:1 --ca-bundle /nowhere`, 2],
  ["a CA bundle that is a folder", `${ask} --etcd-endpoint https://localhost:1 --ca-bundle /`, 2],
  ["a key without a certificate", `${ask} --etcd-endpoint https://localhost:1 --etcd-key /dev/null`, 2],
  ["a certificate for http", `${ask} --etcd-cert /dev/null --etcd-key /dev/null`, 2],
  ["a password file that does not exist", `${ask} --etcd-username u --etcd-password-file /nowhere`, 2],
  ["a user without a password", `${ask} --etcd-username u`, 2],
  ["no standard streams", `${ask} <&- >&- 2>&-`, 0],
  ["standard output that is full", `${ask} >/dev/full`, 0],
  ["standard error that is full", `"$0" switch test other 2>/dev/full`, 6],
  ["help for a full disk", `"$0" switch test --help >/dev/full`, 9],
  ["a reader who has gone away", `"$0" switch test --help | true; exit "\${PIPESTATUS[0]}"`, 0],
  ["a name server that knows nothing", `${ask} --etcd-endpoint nowhere.invalid:1 --timeout 1`, 3],
  ["nobody who listens", `${ask} --etcd-endpoint 127.0.0.1:1 --timeout 1`, 3],
  [
    "http for a host that does not speak it",
    `${ask} --etcd-endpoint https://$EMPUSA_ETCD_ENDPOINT --timeout 1`,
    3,
  ],
  ["a switch that does not exist", `"$0" switch test other`, 6],
];

/** Those who wait for an etcd that is frozen, the endpoint in `$frozen`. */
const waiting: readonly Failure[] = [
  ["an etcd that is frozen", `${ask} --etcd-endpoint $frozen --timeout 1`, 3],
  ...([["TERM", 143], ["INT", 130], ["HUP", 129], ["KILL", 137]] as const).map(([signal, code]): Failure => [
    `SIG${signal} while it waits`,
    `timeout --preserve-status --signal=${signal} 1.5 "$0" switch test maintenance --etcd-endpoint $frozen --timeout 60`,
    code,
  ]),
];

/** Deno itself would end with 1, so the script that starts the sources looks first. */
const nowhere: Failure = [
  "a working directory that was removed",
  `cd "$(mktemp -d)"; rmdir "$PWD"; "${projectFile("scripts/empusa")}" switch test maintenance 2>/dev/null`,
  2,
];

const source = [
  `deno=${projectFile("scripts/deno")}; main=${projectFile("main.ts")}`,
  "all='--allow-net --allow-env --allow-read --allow-sys=hostname,networkInterfaces'",
].join("; ");

/** Permissions of Deno's that are left out; only where it runs from source. */
const permissions: readonly Failure[] = ["net", "env", "read", ""].map((missing) => [
  missing === "" ? "no permission" : `no permission for ${missing}`,
  `${source}; $deno run --no-prompt ${
    missing === "" ? "" : `\${all/--allow-${missing}/}`
  } "$main" switch test maintenance`,
  missing === "net" ? 3 : 2,
]);

async function check(
  failures: readonly Failure[],
  env: Readonly<Record<string, string>>,
  t: Deno.TestContext,
): Promise<void> {
  const rest = [...failures];
  const wrong: string[] = [];
  // A few at a time: each is a process that mostly waits.
  await Promise.all(Array.from({ length: 4 }, async () => {
    for (let failure = rest.shift(); failure !== undefined; failure = rest.shift()) {
      const [what, line, expected] = failure;
      const { code, stderr } = await shell(line, env);
      if (code !== expected) wrong.push(`${what}: ${code}, not ${expected}: ${stderr}`);
      if (/unexpected failure|^ +at |panicked/m.test(stderr)) wrong.push(`${what}: ${stderr}`);
    }
  }));
  await t.step(`${failures.length} ways`, () => assertEquals(wrong, []));
}

Deno.test("switch test ends with 1 only where the switch is off", async (t) => {
  await using etcd = await Etcd.start();
  await using frozen = await Etcd.start();
  await frozen.signal("SIGSTOP");
  const env = { ...connect(etcd), frozen: frozen.endpoint };
  await etcd.etcdctl("put", key, "off");
  assertEquals((await shell(ask, env)).code, 1);
  await etcd.etcdctl("put", key, "on");
  await check([...local, nowhere, ...waiting, ...permissions], env, t);
  for (const value of ["", "maybe", "\x1b[31m", "yes no"]) {
    await etcd.etcdctl("put", key, "--", value);
    await check([[`the value ${JSON.stringify(value)}`, ask, 8]], env, t);
  }
  await etcd.etcdctl("put", key, "on");
  await etcd.enableAuth({ web: { password: "pw", right: "read", prefix: "/other/" } });
  await check(
    [
      ["no user", ask, 4],
      ["a wrong password", `EMPUSA_ETCD_PASSWORD=x ${ask} --etcd-username web`, 4],
      ["a user who does not exist", `EMPUSA_ETCD_PASSWORD=x ${ask} --etcd-username nobody`, 4],
      ["a user who may not", `EMPUSA_ETCD_PASSWORD=pw ${ask} --etcd-username web`, 4],
    ],
    env,
    t,
  );
});

Deno.test("a permission that Deno was not given is named", async () => {
  const line = "service run --service-type web --service-location h:1 -- true";
  const { code, stderr } = await shell(
    `${source}; $deno run --no-prompt \${all% *} "$main" ${line}`,
    connect({ endpoint: "127.0.0.1:1" }),
  );
  assertEquals([code, stderr], [
    2,
    'empusa: Deno lacks a permission: requires sys access to "hostname", run again with the --allow-sys flag\n',
  ]);
});

Deno.test("switch test over TLS ends with 1 only where the switch is off", async (t) => {
  await using ca = await CertificateAuthority.make();
  await using otherCa = await CertificateAuthority.make();
  const good = await ca.sign("good", "IP:127.0.0.1");
  const foreign = await otherCa.sign("foreign", "IP:127.0.0.1");
  const tls = await ca.sign("server", "IP:127.0.0.1");
  await using etcd = await Etcd.start({ tls, clientCa: ca.cert });
  await using misnamed = await Etcd.start({ tls: await ca.sign("misnamed", "DNS:elsewhere") });
  const env = {
    EMPUSA_ETCD_ENDPOINT: etcd.url,
    EMPUSA_TREE_ROOT: "/foo",
    EMPUSA_TIMEOUT: "10",
    EMPUSA_CA_BUNDLE: ca.cert,
    EMPUSA_ETCD_CERT: good.cert,
    EMPUSA_ETCD_KEY: good.key,
  };
  assertEquals((await shell(`"$0" switch set maintenance on`, env)).code, 0);
  await check(
    [
      ["nothing wrong", ask, 0],
      ["no CA that is trusted", `EMPUSA_CA_BUNDLE= ${ask}`, 3],
      ["another CA", `${ask} --ca-bundle ${otherCa.cert}`, 3],
      ["no client certificate", `EMPUSA_ETCD_CERT= EMPUSA_ETCD_KEY= ${ask}`, 4],
      [
        "a client certificate of another CA",
        `${ask} --etcd-cert ${foreign.cert} --etcd-key ${foreign.key}`,
        4,
      ],
      ["a key of another certificate", `${ask} --etcd-key ${foreign.key}`, 2],
      ["a certificate for another name", `${ask} --etcd-endpoint ${misnamed.url}`, 3],
      ["http for a server that speaks TLS", `${ask} --etcd-endpoint ${etcd.endpoint}`, 2],
      [
        "the same without a certificate",
        `EMPUSA_ETCD_CERT= EMPUSA_ETCD_KEY= ${ask} --etcd-endpoint ${etcd.endpoint}`,
        3,
      ],
    ],
    env,
    t,
  );
});
