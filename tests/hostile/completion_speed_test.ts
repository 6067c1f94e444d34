/** Completion answers within half a second, logging in, TLS and many services included, and asks etcd for no more than it needs. */
import { assert, assertEquals } from "@std/assert";
import { serviceTypes } from "../../src/registry/names.ts";
import { EtcdStore } from "../../src/registry/etcd/store.ts";
import { deadlineAfter } from "../../src/registry/store.ts";
import { CertificateAuthority } from "../support/certificates.ts";
import { Etcd } from "../support/etcd.ts";
import { connect, empusa, type Env, registerWeb } from "../support/program.ts";
import { parseEndpoints } from "../../src/registry/mod.ts";

/** What is offered. A machine that is busy with other tests may need a few tries, as half a second is short there. */
async function offered(env: Env, ...words: string[]): Promise<string[]> {
  for (const began = performance.now();;) {
    const names = await ask(env, ...words);
    if (names.length > 0 || performance.now() - began > 20_000) return names;
  }
}

async function ask(env: Env, ...words: string[]): Promise<string[]> {
  const { stdout } = await empusa(["completions", "candidates", "zsh", ...words], env);
  return stdout.split("\n").slice(2, -1);
}

Deno.test("completion speaks TLS", async () => {
  await using ca = await CertificateAuthority.make();
  const tls = await ca.sign("server", "IP:127.0.0.1");
  await using etcd = await Etcd.start({ tls });
  const env = {
    EMPUSA_ETCD_ENDPOINT: etcd.url,
    EMPUSA_TREE_ROOT: "/foo",
    EMPUSA_CA_BUNDLE: ca.cert,
  };
  assertEquals((await empusa(registerWeb, env)).code, 0);
  assertEquals(await offered(env, "service", "get", "--service-type", ""), ["web"]);
});

Deno.test("completion logs in, and goes by what was typed", async () => {
  await using etcd = await Etcd.start();
  await etcd.putMany([["/foo/service/web/a", "h:1"], ["/bar/service/db/b", "h:2"]]);
  await etcd.enableAuth({ web: { password: "pw", right: "read", prefix: "/" } });
  const env = { ...connect(etcd), EMPUSA_ETCD_USERNAME: "web", EMPUSA_ETCD_PASSWORD: "pw" };
  const question = ["service", "get", "--service-type", ""];
  assertEquals(await offered(env, ...question), ["web"]);
  assertEquals(await offered(env, "--tree-root", "/bar", ...question), ["db"]);
  assertEquals(
    await offered(env, "--tree-root=/bar", "service", "get", "--service-type=db", "--service-name="),
    [
      "--service-name=b",
    ],
  );
  // What the shell would make of it is unknown.
  assertEquals(await ask(env, "--tree-root", "$ROOT", ...question), []);
});

Deno.test("tags come from metadata, kinds of mirrors from the program, and hostile tags are not offered", async () => {
  await using etcd = await Etcd.start();
  const put = (name: string, record: string): Promise<string> =>
    etcd.etcdctl("put", `/foo/service-meta/${name}`, record);
  await put("web/a", '{"tags":["v2","eu"]}');
  await put("db/a", '{"tags":["v3"]}');
  await put("db/b", '{"tags":["$(touch x)",1]}');
  await put("db/c", "no JSON");
  const list = ["service", "list", "--tag"];
  assertEquals(await offered(connect(etcd), ...list, ""), ["eu", "v2", "v3"]);
  assertEquals(await offered(connect(etcd), ...list, "v"), ["v2", "v3"]);
  assertEquals(await offered(connect(etcd), "service", "list", "--service-type", "web", "--tag", "v"), [
    "v2",
  ]);
  assertEquals(await offered(connect(etcd), "service", "register", "--mirror", "g"), ["grpc=", "gomicro"]);
});

Deno.test("types and names among 10,000 services are found by reading few keys", async () => {
  await using etcd = await Etcd.start();
  const types = ["api", "api-2", "db", "web"];
  const keys = types.flatMap((type) => Array.from({ length: 2500 }, (_, i) => `/foo/service/${type}/n${i}`));
  await etcd.putMany([...keys, "/foo/service/stray", "/foo/service/db"].map((key) => [key, "h:1"] as const));
  assertEquals(await offered(connect(etcd), "service", "get", "--service-type", ""), types);
  assertEquals(await offered(connect(etcd), "service", "get", "--service-type", "ap"), ["api", "api-2"]);
  assertEquals(
    await offered(connect(etcd), "service", "get", "--service-type", "db", "--service-name", "n249"),
    ["n249", ...Array.from({ length: 10 }, (_, i) => `n249${i}`)],
  );
  const store = new EtcdStore(parseEndpoints(etcd.endpoint, "http"));
  const before = await etcd.calls("Range");
  assertEquals((await serviceTypes(store, "/foo", "", deadlineAfter(5000))).toSorted(), types);
  const asked = await etcd.calls("Range") - before;
  store.close();
  assert(asked <= types.length + 2, `${asked} questions`);
});
