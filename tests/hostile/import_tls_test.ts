/** Importing over TLS. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { CertificateAuthority } from "../support/certificates.ts";
import { Etcd } from "../support/etcd.ts";
import { empusa as cli } from "../support/in_process.ts";
import { missingV2, testUnless } from "../support/lacking.ts";
import { empusa } from "../support/program.ts";

const withV2 = { args: ["--enable-v2"] };

testUnless(missingV2(), "an import over TLS trusts whom the options name, and nobody else", async () => {
  await using ca = await CertificateAuthority.make();
  await using other = await CertificateAuthority.make();
  const tls = await ca.sign("etcd", "DNS:localhost,IP:127.0.0.1");
  const client = await ca.sign("client", "DNS:client");
  await using etcd = await Etcd.start({ ...withV2, tls, clientCa: ca.cert });
  const mine = { EMPUSA_ETCD_CERT: client.cert, EMPUSA_ETCD_KEY: client.key };
  const env = { EMPUSA_ETCD_ENDPOINT: etcd.url, EMPUSA_TREE_ROOT: "/foo", EMPUSA_TIMEOUT: "2" };
  const run = (more: Record<string, string>): ReturnType<typeof cli> =>
    cli(["import", "--from-etcd-v2"], { ...env, ...more });
  assertEquals((await run({ EMPUSA_CA_BUNDLE: ca.cert, ...mine })).code, 0);
  for (
    const [more, message] of [
      [{ EMPUSA_CA_BUNDLE: other.cert, ...mine }, "its certificate is not signed by a trusted CA"],
      [
        { EMPUSA_CA_BUNDLE: ca.cert, ...mine, EMPUSA_ETCD_SERVER_NAME: "elsewhere" },
        "its certificate is not for elsewhere",
      ],
      [{ EMPUSA_CA_BUNDLE: ca.cert }, "it requires a client certificate"],
    ] as const
  ) {
    const { code, stderr } = await run(more);
    assertStringIncludes(stderr, message);
    assert(code === 3 || code === 4, `${code}`);
  }
  // With no more permissions than empusa is shipped with.
  for (
    const [more, message] of [[{}, "is not signed by a trusted CA"], [
      { EMPUSA_CA_BUNDLE: ca.cert },
      "the v2 API holds no",
    ]] as const
  ) {
    const { stderr } = await empusa(["import", "--from-etcd-v2"], { ...env, ...mine, ...more });
    assertStringIncludes(stderr, message);
  }
});
