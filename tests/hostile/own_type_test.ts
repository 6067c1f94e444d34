/** What a command of `service run` sees when it asks the registry: all of it, not only services of its own type. */
import { assertEquals } from "@std/assert";
import { fromEnvironment, read } from "../../src/settings/settings.ts";
import { selection } from "../../src/commands/service/shared/settings.ts";
import { Etcd } from "../support/etcd.ts";
import { connect, shell } from "../support/program.ts";

Deno.test("list and export of a command that is run see every type; a type that is given is heeded", async () => {
  await using etcd = await Etcd.start();
  await etcd.etcdctl("put", "/foo/service/db/a", "db:1");
  await etcd.etcdctl("put", "/foo/service/web/b", "web:1");
  const inside = [
    "$0 service list --format plain",
    "$0 service list --format plain --service-type web",
    "EMPUSA_SERVICE_TYPE=db $0 service list --format plain",
    "EMPUSA_SERVICE_TYPE=db,web $0 service list --format plain",
    "$0 service export --format plain --output $FOLDER/out --min 0 && cat $FOLDER/out",
    // Whoever has to name a type still has that of the command.
    "$0 service pick --name b",
    "echo $EMPUSA_SERVICE_TYPE $EMPUSA_SERVICE_NAME $EMPUSA_SERVICE_LOCATION",
  ].join("; echo; ");
  const folder = await Deno.makeTempDir({ prefix: "empusa-test-own-type-" });
  try {
    const run = `"$0" service run --service-type web --service-name c --service-location h:1 --exclusive ` +
      `--check-exec false -- bash -c '${inside}' "$0"`;
    const { code, stdout } = await shell(run, { ...connect(etcd), FOLDER: folder, EMPUSA_LOGLEVEL: "error" });
    assertEquals([code, stdout.split("\n\n")], [0, [
      "db:1\nweb:1",
      "web:1",
      "db:1",
      "db:1\nweb:1",
      "db:1\nweb:1",
      "web:1",
      "web c h:1\n",
    ]]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("outside of a command that is run, the variable of the Python original filters as it did there", () => {
  const types = (env: Record<string, string>): unknown =>
    read(selection, fromEnvironment(selection, { env: (name) => env[name] })).serviceType;
  assertEquals(types({ EMPUSA_SERVICE_TYPE: "web" }), ["web"]);
  assertEquals(types({}), undefined);
  assertEquals(types({ EMPUSA_SERVICE_TYPE: "web", EMPUSA_RUN_SERVICE_TYPE: "db" }), ["web"]);
});
