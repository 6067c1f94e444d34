/** Verification of certificates: no environment and no certificate gets around it. */
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { connectionOf, refuseIgnored } from "../../src/settings/access.ts";
import { connectionSettings } from "../../src/settings/connection.ts";
import { read } from "../../src/settings/settings.ts";
import { UsageError } from "../../src/errors.ts";
import { isVerified } from "../../src/system/runtime.ts";
import { CertificateAuthority } from "../support/certificates.ts";
import { Etcd, freePorts } from "../support/etcd.ts";
import { empusa, type Env, type Outcome, shell } from "../support/program.ts";
import { fakeSystem } from "../support/system.ts";

const hour = 3_600_000;
const names = "DNS:localhost,IP:127.0.0.1";

function list(endpoint: string, env: Env = {}): Promise<Outcome> {
  const ours = { EMPUSA_ETCD_ENDPOINT: endpoint, EMPUSA_TREE_ROOT: "/foo", EMPUSA_TIMEOUT: "4" };
  return empusa(["service", "list"], { ...ours, ...env });
}

/** The warnings about a connection. */
async function warnings(given: Record<string, unknown>, system = fakeSystem()): Promise<string[]> {
  const said: string[] = [];
  await connectionOf(
    read(connectionSettings, { treeRoot: "/foo", ...given }),
    system,
    (line) => said.push(line),
  );
  return said;
}

Deno.test("the error names what is wrong with a server's certificate", async (t) => {
  await using ca = await CertificateAuthority.make();
  const expired = await ca.sign("expired", names, { from: -2 * hour, to: -hour });
  const future = await ca.sign("future", names, { from: hour, to: 2 * hour });
  const dates = "check etcd's certificate, and the clock of this machine";
  for (
    const [signed, host, reason] of [
      [expired, "localhost", "its certificate has expired"],
      [expired, "127.0.0.1", "its certificate has expired"],
      [future, "127.0.0.1", "its certificate is not valid yet"],
      [
        await ca.sign("localhost", ""),
        "localhost",
        "its certificate names no host: it has no subjectAltName",
      ],
      [
        await ca.sign("127.0.0.1", ""),
        "127.0.0.1",
        "its certificate names no host: it has no subjectAltName",
      ],
    ] as const
  ) {
    await t.step(`${host}: ${reason}`, async () => {
      await using etcd = await Etcd.start({ tls: signed });
      const url = etcd.url.replace("127.0.0.1", host);
      const { code, stderr } = await list(url, { EMPUSA_CA_BUNDLE: ca.cert });
      assertEquals({ code, stderr }, {
        code: 3,
        stderr: `empusa: cannot reach etcd: ${url}: ${reason}; ${dates}\n`,
      });
    });
  }
});

Deno.test("the error says at once that a server does not support TLS 1.2", async () => {
  await using ca = await CertificateAuthority.make();
  const { cert, key } = await ca.sign("old", names);
  const [port] = freePorts(1);
  const old = new Deno.Command("openssl", {
    args: ["s_server", "-accept", `127.0.0.1:${port}`, "-cert", cert, "-key", key, "-tls1_1"]
      .concat("-cipher", "ALL:@SECLEVEL=0", "-quiet"),
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  try {
    const url = `https://127.0.0.1:${port}`;
    // Far below the timeout, also if other tests keep the machine busy.
    const { code, stderr, took } = await list(url, { EMPUSA_CA_BUNDLE: ca.cert, EMPUSA_TIMEOUT: "20" });
    assertEquals({ code, stderr, quick: took < 10_000 }, {
      code: 3,
      stderr: `empusa: cannot reach etcd: ${url}: it does not support TLS 1.2 or later; ` +
        "check etcd's --tls-min-version and --cipher-suites\n",
      quick: true,
    });
  } finally {
    old.kill("SIGKILL");
    await old.status;
  }
});

Deno.test("empusa ignores NODE_TLS_REJECT_UNAUTHORIZED=0, and warns about it", async () => {
  await using ca = await CertificateAuthority.make();
  await using other = await CertificateAuthority.make();
  await using etcd = await Etcd.start({ tls: await ca.sign("etcd", names) });
  const off = { NODE_TLS_REJECT_UNAUTHORIZED: "0" };
  const warning =
    "empusa: warning: NODE_TLS_REJECT_UNAUTHORIZED=0 is ignored: empusa verifies every certificate\n";
  const refused = await list(etcd.url, { ...off, EMPUSA_CA_BUNDLE: other.cert });
  assertEquals(refused.code, 3);
  assertMatch(refused.stderr, /its certificate is not signed by a trusted CA/);
  const { code, stderr } = await list(etcd.url, { ...off, EMPUSA_CA_BUNDLE: ca.cert });
  assertEquals({ code, stderr }, { code: 0, stderr: warning });
});

Deno.test("empusa rejects a password in an endpoint, and does not print it", async () => {
  for (
    const [endpoint, shown] of [
      ["http://user:secret@etcd:2379", "http://***@etcd:2379"],
      ["user:secret@etcd:2379", "***@etcd:2379"],
      ["http://a:1,https://user:sec/r,et@b:2", "http://***@b:2"],
      ["http://a@b:sec@ret@etcd", "http://***@etcd"],
    ] as const
  ) {
    const error = await assertRejects(() => warnings({ etcdEndpoint: endpoint }), UsageError);
    assertEquals(
      error.message,
      "--etcd-endpoint (EMPUSA_ETCD_ENDPOINT) must hold no user name or password, which have settings of their own, " +
        `not ${JSON.stringify(shown)}`,
    );
  }
});

Deno.test("empusa warns about a password that other users can read", async () => {
  const file = await Deno.makeTempFile();
  await Deno.writeTextFile(file, "secret");
  const user = { etcdUsername: "u", etcdPasswordFile: file };
  await Deno.chmod(file, 0o644);
  assertEquals(await warnings({ etcdEndpoint: "localhost:1", ...user }), [
    `every user of this machine may read "${file}", which --etcd-password-file (EMPUSA_ETCD_PASSWORD_FILE) names; ` +
    "use chmod 600",
  ]);
  await Deno.chmod(file, 0o640);
  assertEquals(await warnings({ etcdEndpoint: "http://127.0.0.1:1,[::1]:2", ...user }), []);
  assertEquals(await warnings({ etcdEndpoint: "https://etcd:1", ...user }), []);
  assertEquals(await warnings({ etcdEndpoint: "etcd:1" }), []);
  assertEquals(await warnings({ etcdEndpoint: "127.0.0.1:1,etcd:1", ...user }), [
    "the password goes unencrypted to http://etcd:1; use https: see --etcd-protocol (EMPUSA_ETCD_PROTOCOL)",
  ]);
  await Deno.remove(file);
});

Deno.test("the password may come from standard input", async () => {
  await using etcd = await Etcd.start();
  await etcd.enableAuth();
  for (const file of ["/dev/stdin", "-"]) {
    const command = `echo rootpw | "$0" service list --etcd-username root --etcd-password-file ${file}`;
    const env = { EMPUSA_ETCD_ENDPOINT: etcd.url, EMPUSA_TREE_ROOT: "/foo" };
    const { code, stderr } = await shell(command, env);
    assertEquals({ code, stderr }, { code: 0, stderr: "" });
  }
});

Deno.test("the message about an unreadable file does not suggest --allow-all", async () => {
  const system = fakeSystem();
  const { readFile } = system;
  const refusing = {
    ...system,
    readFile: (path: string): Promise<Uint8Array> =>
      path === "/dev/fd/63"
        ? Promise.reject(
          new Deno.errors.NotCapable('Requires all access to "/dev/fd/63", run again with --allow-all'),
        )
        : readFile(path),
  };
  const given = { etcdEndpoint: "localhost:1", etcdUsername: "u", etcdPasswordFile: "/dev/fd/63" };
  const error = await assertRejects(() => warnings(given, refusing), UsageError);
  assertEquals(
    error.message,
    '--etcd-password-file (EMPUSA_ETCD_PASSWORD_FILE) cannot be read at "/dev/fd/63": Deno may not read it; ' +
      "name a plain file that --allow-read covers",
  );
});

Deno.test("options that the runtime would ignore are usage errors", () => {
  for (const version of ["2.4.2", "2.9.5", "1.46.0"]) {
    assertEquals([version, isVerified(version)], [version, false]);
  }
  for (const version of ["2.9.6", "2.9.10", "2.10.0", "3.0.0", "2.9.6+abc"]) {
    assertEquals([version, isVerified(version)], [version, true]);
  }
  const said = (typed: Record<string, string>, env: Record<string, string> = {}): string | undefined => {
    const { caBundle, etcdCert, etcdServerName } = typed;
    try {
      refuseIgnored({ caBundle, etcdCert, etcdServerName }, { env: (name) => env[name] });
    } catch (error) {
      return (error as UsageError).message;
    }
  };
  assertMatch(
    said({ etcdCert: "x" }) ?? "",
    /^--etcd-cert \(EMPUSA_ETCD_CERT\) cannot be used: Deno \S+ ignores it; use empusa with Deno 2\.9\.6 or later$/,
  );
  assertMatch(said({ etcdServerName: "x" }) ?? "", /^--etcd-server-name .* ignores it;/);
  const system = { DENO_TLS_CA_STORE: "system", SSL_CERT_FILE: "x" };
  assertEquals(said({ caBundle: "x" }, system), undefined);
  for (
    const env of [{}, { ...system, SSL_CERT_FILE: "y" }, { ...system, DENO_CERT: "z" }, {
      SSL_CERT_FILE: "x",
    }]
  ) {
    assertMatch(
      said({ caBundle: "x" }, env) ?? "",
      /ignores it; use .*, or set DENO_TLS_CA_STORE=system and SSL_CERT_FILE/,
    );
  }
});
