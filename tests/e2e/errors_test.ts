/** Each way in which etcd cannot be used: what is said, and the exit code. One line, whatever happens. */
import { assert, assertEquals } from "@std/assert";
import { CertificateAuthority } from "../support/certificates.ts";
import { Cluster, Etcd, freePorts } from "../support/etcd.ts";
import { empusa, type Env, type Outcome, registerWeb } from "../support/program.ts";
import { pause } from "../support/pause.ts";

const endpointCheck = "check --etcd-endpoint (EMPUSA_ETCD_ENDPOINT) and whether etcd runs there";
const healthCheck = "check whether etcd and the network to it are well";
const protocolCheck =
  "check --etcd-protocol (EMPUSA_ETCD_PROTOCOL), or the scheme of --etcd-endpoint (EMPUSA_ETCD_ENDPOINT)";
const certificateCheck = "check --etcd-cert (EMPUSA_ETCD_CERT) and --etcd-key (EMPUSA_ETCD_KEY)";
const credentialsCheck =
  "check --etcd-username (EMPUSA_ETCD_USERNAME) and --etcd-password (EMPUSA_ETCD_PASSWORD) " +
  "or --etcd-password-file (EMPUSA_ETCD_PASSWORD_FILE)";

function list(endpoint: string, env: Env = {}): Promise<Outcome> {
  const ours = { EMPUSA_ETCD_ENDPOINT: endpoint, EMPUSA_TREE_ROOT: "/foo", EMPUSA_TIMEOUT: "2" };
  return empusa(["service", "list"], { ...ours, ...env });
}

function failed({ code, stdout, stderr, took }: Outcome, expected: number, message: string): void {
  assertEquals({ code, stdout, stderr }, { code: expected, stdout: "", stderr: `empusa: ${message}\n` });
  assert(took < 5000, `it took ${took} ms with a timeout of 2 s`);
}

/** A listener that does something with every connection. Those that it keeps are closed with it. */
function server(serve: (connection: Deno.Conn) => Promise<void>): Disposable & { endpoint: string } {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const connections: Deno.Conn[] = [];
  (async (): Promise<void> => {
    for await (const connection of listener) {
      connections.push(connection);
      serve(connection).catch(() => {});
    }
  })();
  return {
    endpoint: `127.0.0.1:${listener.addr.port}`,
    [Symbol.dispose]: (): void => {
      listener.close();
      for (const connection of connections) {
        try {
          connection.close();
        } catch {
          // It was closed before.
        }
      }
    },
  };
}

const text = (words: string): Uint8Array => new TextEncoder().encode(words);

Deno.test("connection refused", async () => {
  const endpoint = `http://127.0.0.1:${freePorts(1)[0]}`;
  failed(
    await list(endpoint),
    3,
    `cannot reach etcd within 2 s: ${endpoint}: connection refused; ${endpointCheck}`,
  );
});

Deno.test("a black hole: a listener that never answers, with TLS and without", async () => {
  using hole = server(async () => {});
  for (const scheme of ["http", "https"]) {
    const endpoint = `${scheme}://${hole.endpoint}`;
    failed(
      await list(endpoint),
      3,
      `cannot reach etcd within 2 s: ${endpoint}: no answer in time; ${healthCheck}`,
    );
  }
});

Deno.test("a frozen server", async () => {
  await using etcd = await Etcd.start();
  await etcd.signal("SIGSTOP");
  failed(
    await list(etcd.url),
    3,
    `cannot reach etcd within 2 s: ${etcd.url}: no answer in time; ${healthCheck}`,
  );
});

Deno.test("a host name that is unknown", async () => {
  const endpoint = "http://no-such-host.invalid:2379";
  failed(
    await list(endpoint),
    3,
    `cannot reach etcd within 2 s: ${endpoint}: the host name no-such-host.invalid is unknown; ${endpointCheck}`,
  );
});

Deno.test("a server that hangs up at once", async () => {
  using rude = server((connection) => Promise.resolve(connection.close()));
  const endpoint = `http://${rude.endpoint}`;
  failed(
    await list(endpoint),
    3,
    `cannot reach etcd within 2 s: ${endpoint}: it closes the connection; ${healthCheck}`,
  );
});

Deno.test("servers that are not etcd", async () => {
  using banner = server(async (connection) => {
    await connection.write(text("SSH-2.0-OpenSSH_9.2\r\n"));
  });
  using http1 = server(async (connection) => {
    await connection.read(new Uint8Array(1024));
    await connection.write(text("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"));
  });
  await using http2 = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => new Response("hello"),
  );
  for (const address of [banner.endpoint, http1.endpoint, `127.0.0.1:${http2.addr.port}`]) {
    const endpoint = `http://${address}`;
    failed(
      await list(endpoint),
      3,
      `cannot reach etcd within 2 s: ${endpoint}: its answer does not come from etcd; ${endpointCheck}`,
    );
  }
  const endpoint = `https://${banner.endpoint}`;
  failed(await list(endpoint), 3, `cannot reach etcd: ${endpoint}: it does not speak TLS; ${protocolCheck}`);
});

Deno.test("what is wrong with the server's certificate", async () => {
  await using ca = await CertificateAuthority.make();
  await using otherCa = await CertificateAuthority.make();
  const signed = await ca.sign("etcd", "DNS:localhost,IP:127.0.0.1");
  await using good = await Etcd.start({ tls: signed });
  await using elsewhere = await Etcd.start({ tls: await ca.sign("named", "DNS:etcd.example") });
  await using expired = await Etcd.start({
    tls: await ca.sign("expired", "DNS:localhost,IP:127.0.0.1", { from: -7_200_000, to: -3_600_000 }),
  });
  const env = { EMPUSA_CA_BUNDLE: ca.cert };
  const reason = (etcd: Etcd, reason: string, check: string): string =>
    `cannot reach etcd: ${etcd.url}: ${reason}; check ${check}`;

  const untrusted = "its certificate is not signed by a trusted CA";
  for (const wrong of [otherCa.cert, ""]) {
    const outcome = await list(good.url, { EMPUSA_CA_BUNDLE: wrong });
    failed(
      outcome,
      3,
      reason(good, untrusted, "--ca-bundle (EMPUSA_CA_BUNDLE, SSL_CERT_FILE, REQUESTS_CA_BUNDLE)"),
    );
  }
  const nameCheck =
    "--etcd-endpoint (EMPUSA_ETCD_ENDPOINT), or give --etcd-server-name (EMPUSA_ETCD_SERVER_NAME)";
  failed(
    await list(elsewhere.url, env),
    3,
    reason(elsewhere, "its certificate is not for 127.0.0.1", nameCheck),
  );
  failed(
    await list(good.url, { ...env, EMPUSA_ETCD_SERVER_NAME: "etcd.example" }),
    3,
    reason(
      good,
      "its certificate is not for etcd.example but for DNS:localhost, IP Address:127.0.0.1",
      nameCheck,
    ),
  );
  failed(
    await list(expired.url, env),
    3,
    reason(expired, "its certificate has expired", "etcd's certificate, and the clock of this machine"),
  );
});

Deno.test("what is wrong with the client's certificate", async () => {
  await using ca = await CertificateAuthority.make();
  await using otherCa = await CertificateAuthority.make();
  const tls = await ca.sign("etcd", "IP:127.0.0.1");
  await using etcd = await Etcd.start({ tls, clientCa: ca.cert });
  const env = { EMPUSA_CA_BUNDLE: ca.cert };
  failed(
    await list(etcd.url, env),
    4,
    `etcd refused: ${etcd.url}: it requires a client certificate; ${certificateCheck}`,
  );
  const stranger = await otherCa.sign("stranger", "DNS:stranger");
  failed(
    await list(etcd.url, { ...env, EMPUSA_ETCD_CERT: stranger.cert, EMPUSA_ETCD_KEY: stranger.key }),
    4,
    `etcd refused: ${etcd.url}: it rejects the client certificate; ${certificateCheck}`,
  );
});

Deno.test("plain text to TLS, and TLS to plain text", async () => {
  await using ca = await CertificateAuthority.make();
  await using secure = await Etcd.start({ tls: await ca.sign("etcd", "IP:127.0.0.1") });
  await using plain = await Etcd.start();
  const toTls = `http://${secure.endpoint}`;
  failed(await list(toTls), 3, `cannot reach etcd: ${toTls}: it requires TLS; ${protocolCheck}`);
  await using mutual = await Etcd.start({ tls: await ca.sign("mutual", "IP:127.0.0.1"), clientCa: ca.cert });
  const toMutual = `http://${mutual.endpoint}`;
  failed(await list(toMutual), 3, `cannot reach etcd: ${toMutual}: it requires TLS; ${protocolCheck}`);
  const toPlain = `https://${plain.endpoint}`;
  const { code, stderr } = await list(toPlain, { EMPUSA_CA_BUNDLE: ca.cert });
  assertEquals(code, 3);
  const [hangsUp, says] = ["it closes the connection during the TLS handshake", "it does not speak TLS"].map(
    (reason) => {
      return [` within 2 s`, ""].map((time) =>
        `empusa: cannot reach etcd${time}: ${toPlain}: ${reason}; ${protocolCheck}\n`
      );
    },
  );
  // Which of the two depends on whether etcd's plain answer is quicker than its good-bye.
  assert(stderr === hangsUp?.[0] || stderr === says?.[1], stderr);
});

/** An etcd with a user "writer" of everything below /foo, and a "reader"; the password of both is "secret". */
async function guarded(): Promise<Etcd> {
  const etcd = await Etcd.start();
  await etcd.guard({
    writer: { password: "secret", right: "readwrite", prefix: "/foo/" },
    reader: { password: "secret", right: "read", prefix: "/foo/" },
  });
  return etcd;
}

Deno.test("authentication and permission", async () => {
  await using etcd = await guarded();
  const at = `etcd at ${etcd.url} refused`;
  const as = (user: string, password = "secret"): Env => ({
    EMPUSA_ETCD_USERNAME: user,
    EMPUSA_ETCD_PASSWORD: password,
  });
  const common = { EMPUSA_ETCD_ENDPOINT: etcd.url, EMPUSA_TREE_ROOT: "/foo" };

  const nameless = `${at}: it requires a user name and a password; ${credentialsCheck}`;
  failed(await list(etcd.url), 4, nameless);
  failed(await empusa(["service", "watch"], common), 4, nameless);
  failed(
    await list(etcd.url, as("writer", "wrong")),
    4,
    `${at}: user "writer" or the password is wrong; ${credentialsCheck}`,
  );
  failed(
    await list(etcd.url, as("nobody")),
    4,
    `${at}: user "nobody" or the password is wrong; ${credentialsCheck}`,
  );
  failed(
    await list(etcd.url, { ...as("writer"), EMPUSA_TREE_ROOT: "/bar" }),
    4,
    `${at}: user "writer" may not read keys below /bar/service/; ` +
      "grant the permission with: etcdctl role grant-permission ROLE --prefix=true read /bar/service/",
  );
  const write = `${at}: user "reader" may not write /foo/service/web/a; ` +
    "grant the permission with: etcdctl role grant-permission ROLE write /foo/service/web/a";
  failed(await empusa(registerWeb, { ...common, ...as("reader") }), 4, write);
  failed(await empusa([...registerWeb, "--ttl", "30"], { ...common, ...as("reader") }), 4, write);
  const both = `${at}: user "writer" may not read or write /bar/service/web/a; ` +
    "grant the permission with: etcdctl role grant-permission ROLE readwrite /bar/service/web/a";
  failed(await empusa(registerWeb, { ...common, ...as("writer"), EMPUSA_TREE_ROOT: "/bar" }), 4, both);
  assertEquals((await etcd.etcdctl("--user=root:rootpw", "lease", "list")).split("\n")[0], "found 0 leases");
  const unregister = ["service", "unregister", "--service-type", "web", "--service-name", "a"];
  failed(await empusa(unregister, { ...common, ...as("reader") }), 4, write);
});

Deno.test("credentials for an etcd that lets everybody in do no harm", async () => {
  await using etcd = await Etcd.start();
  const { code, stderr } = await list(etcd.url, { EMPUSA_ETCD_USERNAME: "a", EMPUSA_ETCD_PASSWORD: "b" });
  assertEquals([code, stderr], [0, ""]);
});

Deno.test("the password is nowhere to be seen", async () => {
  await using etcd = await guarded();
  const file = await Deno.makeTempFile({ prefix: "empusa-test-password-" });
  await Deno.writeTextFile(file, "hunter2-is-wrong\n");
  const outcomes = await Promise.all([
    list(etcd.url, {
      EMPUSA_ETCD_USERNAME: "writer",
      EMPUSA_ETCD_PASSWORD: "hunter2-is-wrong",
      EMPUSA_LOGLEVEL: "debug",
      EMPUSA_TIMEOUT: "20",
    }),
    list(etcd.url, {
      EMPUSA_ETCD_USERNAME: "writer",
      EMPUSA_ETCD_PASSWORD_FILE: file,
      EMPUSA_LOGLEVEL: "debug",
      EMPUSA_TIMEOUT: "20",
    }),
    list(etcd.url, { EMPUSA_ETCD_PASSWORD: "hunter2-is-wrong" }),
    list(etcd.url, {
      EMPUSA_ETCD_PASSWORD: "hunter2-is-wrong",
      EMPUSA_ETCD_USERNAME: "a",
      EMPUSA_ETCD_PASSWORD_FILE: file,
    }),
    empusa(["service", "list", "--help"], { EMPUSA_ETCD_PASSWORD: "hunter2-is-wrong" }),
  ]);
  await Deno.remove(file);
  assertEquals(outcomes.map(({ code }) => code), [4, 4, 2, 2, 0]);
  for (const { stdout, stderr } of outcomes) {
    assert(!`${stdout}${stderr}`.includes("hunter2"), stdout + stderr);
  }
});

Deno.test("debugging adds the cause", async () => {
  const { code, stderr } = await list(`http://127.0.0.1:${freePorts(1)[0]}`, { EMPUSA_LOGLEVEL: "debug" });
  assertEquals(code, 3);
  assert(/^empusa: cannot reach etcd .*\nempusa: debug: caused by AttemptFailure/.test(stderr), stderr);
  assert(stderr.includes("14 UNAVAILABLE"), stderr);
});

Deno.test("a cluster without a leader", async () => {
  await using cluster = await Cluster.start(3);
  const [etcd, ...others] = cluster.members as [Etcd, Etcd, Etcd];
  await Promise.all(others.map((other) => other.signal("SIGKILL")));
  // Its election timeout is 0.2 s.
  await pause(1000);
  failed(
    await list(etcd.url),
    3,
    `cannot reach etcd within 2 s: ${etcd.url}: its cluster has no leader; ${healthCheck}`,
  );
});

Deno.test("a database that is full", async () => {
  await using etcd = await Etcd.start({ args: ["--quota-backend-bytes=200000"] });
  await etcd.fill();
  const env = { EMPUSA_ETCD_ENDPOINT: etcd.url, EMPUSA_TREE_ROOT: "/foo", EMPUSA_TIMEOUT: "2" };
  const message = `etcd at ${etcd.url} cannot write: its database is full (NOSPACE alarm); ` +
    "compact and defragment it, then: etcdctl alarm disarm";
  failed(await empusa(registerWeb, env), 9, message);
  assertEquals((await list(etcd.url)).code, 0);
});

Deno.test("a request that is too large", async () => {
  await using etcd = await Etcd.start({ args: ["--max-request-bytes=1000"] });
  const large = [...registerWeb.slice(0, -1), "x".repeat(3000)];
  const env = { EMPUSA_ETCD_ENDPOINT: etcd.url, EMPUSA_TREE_ROOT: "/foo" };
  failed(
    await empusa(large, env),
    9,
    `etcd at ${etcd.url} cannot write: the request is too large; check etcd's --max-request-bytes`,
  );
});
