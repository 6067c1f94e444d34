/** What a production etcd asks for: TLS, users, several endpoints of which some are ill. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { CertificateAuthority, type Signed } from "../support/certificates.ts";
import { Cluster, Etcd, freePorts } from "../support/etcd.ts";
import { empusa, type Env, registerWeb, start } from "../support/program.ts";
import { pause } from "../support/pause.ts";

const empty = "TYPE\tNAME\tLOCATION\tTTL\n";
const common: Env = { EMPUSA_TREE_ROOT: "/foo" };

async function works(env: Env): Promise<number> {
  const { code, stdout, stderr, took } = await empusa(["service", "list"], { ...common, ...env });
  assertEquals({ code, stdout, stderr }, { code: 0, stdout: empty, stderr: "" });
  return took;
}

Deno.test("TLS, to an address and to a name, with the CA from each of its three variables", async () => {
  await using ca = await CertificateAuthority.make();
  await using etcd = await Etcd.start({ tls: await ca.sign("etcd", "DNS:localhost,IP:127.0.0.1") });
  const [, port] = etcd.endpoint.split(":");
  for (const endpoint of [etcd.url, `https://localhost:${port}`]) {
    await works({ EMPUSA_ETCD_ENDPOINT: endpoint, EMPUSA_CA_BUNDLE: ca.cert });
  }
  const secure = { EMPUSA_ETCD_ENDPOINT: etcd.endpoint, EMPUSA_ETCD_PROTOCOL: "https" };
  await works({ ...secure, SSL_CERT_FILE: ca.cert, REQUESTS_CA_BUNDLE: "/no/such/file" });
  await works({ ...secure, REQUESTS_CA_BUNDLE: ca.cert });
  await works({ ...secure, EMPUSA_CA_BUNDLE: ca.cert, SSL_CERT_FILE: "/no/such/file" });
});

Deno.test("a certificate for another name, where that is what is expected", async () => {
  await using ca = await CertificateAuthority.make();
  await using etcd = await Etcd.start({ tls: await ca.sign("etcd", "DNS:etcd.example") });
  const env = { EMPUSA_ETCD_ENDPOINT: etcd.url, EMPUSA_CA_BUNDLE: ca.cert };
  await works({ ...env, EMPUSA_ETCD_SERVER_NAME: "etcd.example" });
});

Deno.test("mutual TLS, streams included", async () => {
  await using ca = await CertificateAuthority.make();
  await using etcd = await Etcd.start({ tls: await ca.sign("etcd", "IP:127.0.0.1"), clientCa: ca.cert });
  const { cert, key } = await ca.sign("client", "DNS:client");
  const env = {
    ...common,
    EMPUSA_ETCD_ENDPOINT: etcd.url,
    EMPUSA_CA_BUNDLE: ca.cert,
    EMPUSA_ETCD_CERT: cert,
    EMPUSA_ETCD_KEY: key,
  };
  await works(env);
  await using refresher = start([...registerWeb, "--ttl", "2", "--refresh-every", "1"], env);
  await refresher.said("registered");
  await pause(4000);
  refresher.signal("SIGTERM");
  const { code, stderr } = await refresher.outcome;
  assertEquals({ code, lines: stderr.split("\n").length }, { code: 0, lines: 3 });
});

const [cert, key] = ["--etcd-cert (EMPUSA_ETCD_CERT)", "--etcd-key (EMPUSA_ETCD_KEY)"] as const;
const bundle = "--ca-bundle (EMPUSA_CA_BUNDLE, SSL_CERT_FILE, REQUESTS_CA_BUNDLE)";

/** Settings that cannot be used, and how the message about each begins. */
function unusable(good: Signed, other: Signed, old: Signed): readonly (readonly [Env, RegExp])[] {
  return [
    [
      { EMPUSA_CA_BUNDLE: "/no/such/file" },
      RegExp(`^${RegExp.escape(bundle)} cannot be read at "/no/such/file": no such`),
    ],
    [
      { EMPUSA_CA_BUNDLE: good.key },
      RegExp(`^${RegExp.escape(bundle)} must hold certificates in PEM, which`),
    ],
    [{ EMPUSA_ETCD_CERT: good.cert }, RegExp(`^${RegExp.escape(`${cert} needs ${key} too`)}$`)],
    [{ EMPUSA_ETCD_KEY: good.key }, RegExp(`^${RegExp.escape(`${key} needs ${cert} too`)}$`)],
    [
      { EMPUSA_ETCD_CERT: good.cert, EMPUSA_ETCD_KEY: other.key },
      RegExp(`^${RegExp.escape(key)} must hold the key of the client certificate, which`),
    ],
    [
      { EMPUSA_ETCD_CERT: good.cert, EMPUSA_ETCD_KEY: good.cert },
      RegExp(`^${RegExp.escape(key)} must hold a private key in PEM, without a passphrase, which`),
    ],
    [
      { EMPUSA_ETCD_CERT: old.cert, EMPUSA_ETCD_KEY: old.key },
      RegExp(`^${RegExp.escape(cert)} must be valid now \\(it expired 20`),
    ],
    [
      { EMPUSA_ETCD_ENDPOINT: "http://a:1", EMPUSA_ETCD_CERT: good.cert },
      RegExp(`^${RegExp.escape(cert)} needs endpoints that speak https$`),
    ],
    [
      { EMPUSA_ETCD_ENDPOINT: "http://a:1,https://b:2" },
      /^--etcd-endpoint \(EMPUSA_ETCD_ENDPOINT\) must not mix http and https, but there are http:\/\/a:1, https:\/\/b:2$/,
    ],
    [
      { EMPUSA_ETCD_USERNAME: "a" },
      /^--etcd-username .* needs --etcd-password .* or --etcd-password-file .* too$/,
    ],
    [
      { EMPUSA_ETCD_USERNAME: "a\nb", EMPUSA_ETCD_PASSWORD: "a" },
      /^--etcd-username .* must be .*, not "a\\nb"$/,
    ],
    [{ EMPUSA_ETCD_PASSWORD: "a" }, /^--etcd-password .* needs --etcd-username .* too$/],
    [
      { EMPUSA_ETCD_USERNAME: "a", EMPUSA_ETCD_PASSWORD_FILE: "/no/such/file" },
      /^--etcd-password-file .* cannot be read at "\/no\/such\/file": no such/,
    ],
    [
      { EMPUSA_ETCD_USERNAME: "a", EMPUSA_ETCD_PASSWORD_FILE: "/dev/null" },
      /^--etcd-password-file .* must hold a password, not "\/dev\/null"$/,
    ],
  ];
}

Deno.test("certificates that cannot be used are usage errors, before anything is tried", async () => {
  await using ca = await CertificateAuthority.make();
  const good = await ca.sign("good", "DNS:good");
  const other = await ca.sign("other", "DNS:other");
  const old = await ca.sign("old", "DNS:old", { from: -7_200_000, to: -3_600_000 });
  for (const [env, message] of unusable(good, other, old)) {
    const secure = { ...common, EMPUSA_ETCD_ENDPOINT: "https://127.0.0.1:1" };
    const { code, stdout, stderr } = await empusa(["service", "list"], { ...secure, ...env });
    const [first = "", hint] = stderr.split("\n");
    assertEquals({ code, stdout, hint }, {
      code: 2,
      stdout: "",
      hint: 'empusa: See "empusa service list --help"',
    });
    assertMatch(first.replace("empusa: ", ""), message);
  }
});

Deno.test("IPv6, and a name with several addresses of which only one listens", async () => {
  await using etcd = await Etcd.start({ host: "[::1]" });
  const port = etcd.endpoint.split(":").at(-1);
  await works({ EMPUSA_ETCD_ENDPOINT: `[::1]:${port}` });
  const { stdout } = await new Deno.Command("getent", { args: ["ahosts", "localhost"] }).output();
  const addresses = new TextDecoder().decode(stdout);
  // Where localhost has both addresses, the one without a listener must not be in the way.
  if (addresses.includes("::1")) await works({ EMPUSA_ETCD_ENDPOINT: `localhost:${port}` });
});

Deno.test("a first endpoint that is ill costs only a part of the time", async () => {
  await using etcd = await Etcd.start();
  await using frozen = await Etcd.start();
  await frozen.signal("SIGSTOP");
  using hole = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const dead = `127.0.0.1:${freePorts(1)[0]}`;
  const silent = `127.0.0.1:${hole.addr.port}`;
  const healthy = await works({ EMPUSA_ETCD_ENDPOINT: etcd.endpoint });
  for (
    const [ill, costs] of [
      [dead, 100],
      ["no-such-host.invalid:1", 1100],
      [silent, 1100],
      [frozen.endpoint, 1100],
      [`${dead},${silent}`, 1100],
      [`${silent},${frozen.endpoint},${dead}`, 2200],
    ] as const
  ) {
    const took = await works({ EMPUSA_ETCD_ENDPOINT: `${ill},${etcd.endpoint}` });
    assert(
      took < healthy + costs + 3000,
      `${ill}: ${took} ms, where a healthy etcd alone takes ${healthy} ms`,
    );
  }
  await works({ EMPUSA_ETCD_ENDPOINT: `${silent},${etcd.endpoint}`, EMPUSA_TIMEOUT: "1" });
});

Deno.test("a refresher goes on with the endpoint that works", async () => {
  await using cluster = await Cluster.start(3);
  const [first, second] = cluster.members as [Etcd, Etcd, Etcd];
  const env = { ...common, EMPUSA_ETCD_ENDPOINT: cluster.endpoints };
  await using refresher = start([...registerWeb, "--ttl", "5", "--refresh-every", "1"], env);
  await refresher.said("registered");
  await first.signal("SIGSTOP");
  for (const end = Date.now() + 8000; Date.now() < end;) {
    assertStringIncludes(await second.etcdctl("get", "/foo/service/web/a"), "h:1");
    await pause(100);
  }
  refresher.signal("SIGTERM");
  const { code, stderr } = await refresher.outcome;
  assertEquals({ code, lines: stderr.split("\n").length }, { code: 0, lines: 3 });
  assertEquals(await second.etcdctl("get", "/foo/service/web/a"), "");
});

Deno.test("a refresher lives on over many lifetimes of its token", async () => {
  await using etcd = await Etcd.start({ args: ["--auth-token-ttl=2"] });
  await etcd.enableAuth();
  const env = {
    ...common,
    EMPUSA_ETCD_ENDPOINT: etcd.url,
    EMPUSA_ETCD_USERNAME: "root",
    EMPUSA_ETCD_PASSWORD: "rootpw",
  };
  // Refreshed less often than the token lives, so that every refresh finds it dead.
  await using refresher = start([...registerWeb, "--ttl", "6", "--refresh-every", "3"], env);
  // One without a TTL writes with its token instead of talking through a stream.
  const permanent = registerWeb.with(registerWeb.indexOf("a"), "b");
  await using writer = start([...permanent, "--refresh-every", "3"], env);
  await Promise.all([refresher.said("registered"), writer.said("registered")]);
  await pause(11_000);
  await etcd.etcdctl("--user=root:rootpw", "del", "/foo/service/web/b");
  await writer.said("registered web/b again");
  const { stdout } = await empusa(["service", "list"], env);
  assertMatch(stdout, /\nweb\ta\th:1\t\ds \/ 6s\nweb\tb\th:1\t-\n$/);
  for (const running of [refresher, writer]) {
    running.signal("SIGTERM");
    const { code, stderr } = await running.outcome;
    assertEquals(code, 0);
    assert(!stderr.includes("cannot"), stderr);
  }
});

Deno.test("a process with credentials lives on when etcd begins to ask for them", async () => {
  await using etcd = await Etcd.start();
  const env = {
    ...common,
    EMPUSA_ETCD_ENDPOINT: etcd.url,
    EMPUSA_ETCD_USERNAME: "root",
    EMPUSA_ETCD_PASSWORD: "rootpw",
  };
  await using refresher = start([...registerWeb, "--refresh-every", "1"], env);
  await refresher.said("registered");
  await etcd.enableAuth();
  await etcd.etcdctl("--user=root:rootpw", "del", "/foo/service/web/a");
  await refresher.said("registered web/a again");
  refresher.signal("SIGTERM");
  assertEquals((await refresher.outcome).code, 0);
});

Deno.test("a certificate and its key may share a file", async () => {
  await using ca = await CertificateAuthority.make();
  await using etcd = await Etcd.start({ tls: await ca.sign("etcd", "IP:127.0.0.1"), clientCa: ca.cert });
  const { cert, key } = await ca.sign("client", "DNS:client");
  await Deno.writeTextFile(key, `words of somebody's\n${await Deno.readTextFile(cert)}`, { append: true });
  const env = { EMPUSA_ETCD_ENDPOINT: etcd.url, EMPUSA_CA_BUNDLE: ca.cert };
  await works({ ...env, EMPUSA_ETCD_CERT: key, EMPUSA_ETCD_KEY: key });
});

Deno.test("no proxy variable captures what goes to etcd", async () => {
  await using etcd = await Etcd.start();
  const proxy = `http://127.0.0.1:${freePorts(1)[0]}`;
  await works({ EMPUSA_ETCD_ENDPOINT: etcd.url, http_proxy: proxy, https_proxy: proxy, grpc_proxy: proxy });
});
