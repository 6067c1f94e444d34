/** TLS with an artefact, where its runtime takes a CA and a client certificate from a program. */
import { assertEquals } from "@std/assert";
import { CertificateAuthority } from "../support/certificates.ts";
import { Etcd } from "../support/etcd.ts";
import { testUnless } from "../support/lacking.ts";
import { empusa, registerWeb } from "../support/program.ts";

const { stdout } = await empusa(["--version"]);
const unable = stdout.includes("Deno 2.4.2")
  ? "no runtime that takes certificates from a program"
  : undefined;

testUnless(unable, "mutual TLS with a private CA, and exit code 3 with another CA", async () => {
  await using ca = await CertificateAuthority.make();
  await using other = await CertificateAuthority.make();
  await using etcd = await Etcd.start({ tls: await ca.sign("etcd", "IP:127.0.0.1"), clientCa: ca.cert });
  const { cert, key } = await ca.sign("client", "DNS:client");
  const env = {
    EMPUSA_ETCD_ENDPOINT: etcd.url,
    EMPUSA_TREE_ROOT: "/foo",
    EMPUSA_ETCD_CERT: cert,
    EMPUSA_ETCD_KEY: key,
    EMPUSA_TIMEOUT: "3",
  };
  assertEquals((await empusa(registerWeb, { ...env, EMPUSA_CA_BUNDLE: ca.cert })).code, 0);
  assertEquals((await empusa(registerWeb, { ...env, EMPUSA_CA_BUNDLE: other.cert })).code, 3);
});
