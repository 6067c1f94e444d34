import { assert, assertEquals } from "@std/assert";
import { CertificateAuthority } from "../support/certificates.ts";
import { Etcd } from "../support/etcd.ts";
import { exchange, serving, test } from "../support/serving.ts";
import { until } from "../support/pause.ts";

test("a certificate that is replaced is used for new connections, and one that is broken is not", async () => {
  await using etcd = await Etcd.start();
  await using ca = await CertificateAuthority.make();
  const first = await ca.sign("first", "DNS:localhost,IP:127.0.0.1");
  const second = await ca.sign("second", "DNS:second.test");
  const folder = await Deno.makeTempDir();
  const tls = { cert: `${folder}/cert.pem`, key: `${folder}/key.pem` };
  const use = async ({ cert, key }: typeof tls): Promise<void> => {
    await Deno.copyFile(cert, tls.cert);
    await Deno.copyFile(key, tls.key);
  };
  await use(first);
  const limits = { requestTimeout: 1000, idleTimeout: 1000, writeTimeout: 1000, maxBodyBytes: 100 };
  await using server = await serving(etcd, { tls, limits });
  const caCerts = [await Deno.readTextFile(ca.cert)];
  /** Whether a client that wants this name is answered. */
  const answers = async (name: string): Promise<boolean> => {
    try {
      const tcp = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
      using conn = await Deno.startTls(tcp, { hostname: name, caCerts });
      await conn.write(
        new TextEncoder().encode("GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
      );
      return (await new Response(conn.readable).text()).endsWith("ok\n");
    } catch {
      return false;
    }
  };
  assertEquals([await answers("localhost"), await answers("second.test")], [true, false]);
  await Deno.writeTextFile(tls.cert, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
  await until(
    "that is logged",
    () => server.logged.some((line) => line.includes("goes on with what it read before")),
  );
  assert(await answers("localhost"));
  await use(second);
  await until("the other one is used", () => answers("second.test"));
  assertEquals(await answers("localhost"), false);
  // Who never begins a handshake is hung up on, and so is who sends no TLS.
  const silent = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
  const plain = exchange(server.port, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  assertEquals(await silent.read(new Uint8Array(1)), null);
  silent.close();
  assert(!(await plain).includes("HTTP"));
  await Deno.remove(folder, { recursive: true });
});
