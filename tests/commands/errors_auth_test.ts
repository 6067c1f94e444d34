/** Each way in which etcd refuses a user: what is said, and the exit code. */
import { assert, assertEquals } from "@std/assert";
import { Etcd } from "../support/etcd.ts";
import { credentialsCheck, failed, list } from "../support/failures.ts";
import { empusa, type Env, registerWeb } from "../support/program.ts";

/** An etcd with a user "writer" of everything below /foo, and a "reader"; the password of both is "secret". */
async function withUsers(): Promise<Etcd> {
  const etcd = await Etcd.start();
  await etcd.enableAuth({
    writer: { password: "secret", right: "readwrite", prefix: "/foo/" },
    reader: { password: "secret", right: "read", prefix: "/foo/" },
  });
  return etcd;
}

Deno.test("authentication and permission", async () => {
  await using etcd = await withUsers();
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
  await using etcd = await withUsers();
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
