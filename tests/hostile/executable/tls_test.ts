/** TLS with the executable, whose runtime may be one that ignores what a program asks of TLS. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { CertificateAuthority } from "../../support/certificates.ts";
import { Etcd } from "../../support/etcd.ts";
import { empusa, type Env, type Outcome, program } from "../../support/program.ts";

const names = "DNS:localhost,IP:127.0.0.1";

const { stdout } = await new Deno.Command(program, { args: ["--version"] }).output();
/** Whether the runtime takes CAs, client certificates and server names from a program. */
const honors = !new TextDecoder().decode(stdout).includes("Deno 2.4.2");

function run(line: string, endpoint: string, env: Env = {}): Promise<Outcome> {
  const ours = { EMPUSA_ETCD_ENDPOINT: endpoint, EMPUSA_TREE_ROOT: "/foo", EMPUSA_TIMEOUT: "3" };
  return empusa(line.split(" "), { ...ours, ...env });
}

/** What makes every runtime trust the CAs of a file, and no others. */
function trusting(file: string): Env {
  return { DENO_TLS_CA_STORE: "system", SSL_CERT_FILE: file };
}

Deno.test("a CA of one's own, the wrong one, and a server with another name", async () => {
  await using ca = await CertificateAuthority.make();
  await using other = await CertificateAuthority.make();
  await using etcd = await Etcd.start({ tls: await ca.sign("etcd", names) });
  await using elsewhere = await Etcd.start({ tls: await ca.sign("named", "DNS:etcd.example") });
  for (const url of [etcd.url, etcd.url.replace("127.0.0.1", "localhost")]) {
    const { code, stderr } = await run("service list", url, trusting(ca.cert));
    assertEquals({ code, stderr }, { code: 0, stderr: "" });
  }
  const wrong = await run("switch test x", etcd.url, trusting(other.cert));
  assertEquals(wrong.code, 3);
  assertStringIncludes(wrong.stderr, "its certificate is not signed by a trusted CA");
  const named = await run("switch test x", elsewhere.url, trusting(ca.cert));
  assertEquals(named.code, 3);
  assertStringIncludes(named.stderr, "its certificate is not for 127.0.0.1");
});

Deno.test("what the runtime ignores is refused, and what it honors works", async () => {
  await using ca = await CertificateAuthority.make();
  await using etcd = await Etcd.start({ tls: await ca.sign("etcd", "DNS:etcd.example"), clientCa: ca.cert });
  const { cert, key } = await ca.sign("client", "DNS:client");
  const all = {
    EMPUSA_CA_BUNDLE: ca.cert,
    EMPUSA_ETCD_CERT: cert,
    EMPUSA_ETCD_KEY: key,
    EMPUSA_ETCD_SERVER_NAME: "etcd.example",
  };
  if (honors) {
    assertEquals((await run("switch set x yes", etcd.url, all)).code, 0);
    assertEquals((await run("switch test x", etcd.url, all)).code, 0);
    return;
  }
  for (
    const [env, refused] of [
      [{ EMPUSA_CA_BUNDLE: ca.cert }, "--ca-bundle"],
      [{ SSL_CERT_FILE: ca.cert }, "--ca-bundle"],
      [{ ...trusting(ca.cert), EMPUSA_ETCD_CERT: cert, EMPUSA_ETCD_KEY: key }, "--etcd-cert"],
      [{ ...trusting(ca.cert), EMPUSA_ETCD_SERVER_NAME: "etcd.example" }, "--etcd-server-name"],
    ] as const
  ) {
    const { code, stderr } = await run("switch test x", etcd.url, env);
    assertEquals(code, 2);
    assertMatch(stderr, new RegExp(`^empusa: ${refused} .* cannot be used: Deno 2\\.4\\.2 ignores it; use `));
  }
});

Deno.test("an expired certificate is told as one", async () => {
  await using ca = await CertificateAuthority.make();
  const dates = { from: -7_200_000, to: -3_600_000 };
  await using expired = await Etcd.start({ tls: await ca.sign("etcd", names, dates) });
  const old = await run("switch test x", expired.url, trusting(ca.cert));
  assertEquals(old.code, 3);
  assertStringIncludes(old.stderr, "its certificate has expired");
});
