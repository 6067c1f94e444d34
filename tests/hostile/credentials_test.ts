/** Credentials that change while a process runs. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { CertificateAuthority } from "../support/certificates.ts";
import { Etcd } from "../support/etcd.ts";
import { type Env, registerWeb, type Running, start } from "../support/program.ts";

const key = "/foo/service/web/a";
const refresher = [...registerWeb, "--ttl", "30", "--refresh-every", "1"];

async function leaves(running: Running): Promise<string> {
  running.signal("SIGTERM");
  const { code, stderr } = await running.outcome;
  assertEquals({ code, stderr: code === 0 ? "" : stderr }, { code: 0, stderr: "" });
  return stderr;
}

Deno.test("empusa reads the CA, the client certificate and its key again after etcd has new ones", async () => {
  await using old = await CertificateAuthority.make();
  await using next = await CertificateAuthority.make();
  const folder = await Deno.makeTempDir();
  const [server, client] = [
    { cert: `${folder}/etcd.pem`, key: `${folder}/etcd.key` },
    { cert: `${folder}/client.pem`, key: `${folder}/client.key` },
  ];
  const [bundle, clientCa] = [`${folder}/ca.pem`, `${folder}/clients.pem`];
  const put = async (from: string, to: string): Promise<void> => {
    await Deno.copyFile(from, `${to}.new`);
    await Deno.rename(`${to}.new`, to);
  };
  const deploy = async (ca: CertificateAuthority, name: string, to: typeof server): Promise<void> => {
    const signed = await ca.sign(name, "IP:127.0.0.1");
    await put(signed.key, to.key);
    await put(signed.cert, to.cert);
  };
  await deploy(old, "etcd", server);
  await deploy(old, "client", client);
  await put(old.cert, bundle);
  await put(old.cert, clientCa);
  await using etcd = await Etcd.start({ tls: server, clientCa });
  const env: Env = {
    EMPUSA_ETCD_ENDPOINT: etcd.url,
    EMPUSA_TREE_ROOT: "/foo",
    EMPUSA_CA_BUNDLE: bundle,
    EMPUSA_ETCD_CERT: client.cert,
    EMPUSA_ETCD_KEY: client.key,
  };
  await using running = start(refresher, env);
  await running.said("registered");

  await etcd.signal("SIGTERM");
  await Deno.writeTextFile(bundle, (await Deno.readTextFile(next.cert)).slice(0, 100));
  await deploy(next, "etcd", server);
  await put(next.cert, clientCa);
  await etcd.restart();
  await running.said("must hold certificates in PEM");
  await put(next.cert, bundle);
  await deploy(next, "client", client);
  await running.said("reconnected to etcd after");
  const stderr = await leaves(running);
  assertStringIncludes(stderr, "empusa goes on with what it read before");
  await Deno.remove(folder, { recursive: true });
});

Deno.test("empusa reads the password again after it was changed", async () => {
  await using etcd = await Etcd.start();
  await etcd.enableAuth();
  const file = await Deno.makeTempFile();
  await Deno.writeTextFile(file, "rootpw\n");
  const env: Env = {
    EMPUSA_ETCD_ENDPOINT: etcd.url,
    EMPUSA_TREE_ROOT: "/foo",
    EMPUSA_ETCD_USERNAME: "root",
    EMPUSA_ETCD_PASSWORD_FILE: file,
  };
  await using running = start(refresher, env);
  await running.said("registered");
  await etcd.changePassword("root", "rootpw", "newpw");
  // The keep-alive stream goes on with its token; the write of the key logs in again.
  await etcd.etcdctl("--user=root:newpw", "del", key);
  await running.said('user "root" or the password is wrong');
  await Deno.writeTextFile(file, "newpw\n");
  await running.said("registered web/a again");
  await leaves(running);
  await Deno.remove(file);
});
