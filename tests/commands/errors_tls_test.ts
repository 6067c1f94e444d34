/** Each way in which TLS to etcd fails: what is said, and the exit code. */
import { assert, assertEquals } from "@std/assert";
import { CertificateAuthority } from "../support/certificates.ts";
import { Etcd } from "../support/etcd.ts";
import { certificateCheck, failed, list, protocolCheck } from "../support/failures.ts";

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
