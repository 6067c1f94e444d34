/** The options and variables of the Python original, as scripts and unit files written for it have them. */
import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { connectionSettings } from "../../src/settings/connection.ts";
import { fromEnvironment, read } from "../../src/settings/settings.ts";
import { UsageError } from "../../src/errors.ts";
import { parseEndpoints } from "../../src/registry/mod.ts";
import { Etcd, freePorts } from "../support/etcd.ts";
import { shell } from "../support/program.ts";

const { logLevel, etcdApiVersion } = connectionSettings;

/** What a setting is where its variable has that value. */
function fromVariable(setting: typeof logLevel | typeof etcdApiVersion, value: string): unknown {
  const settings = { setting };
  return read(
    settings,
    fromEnvironment(settings, { env: (name) => name === setting.env ? value : undefined }),
  )
    .setting;
}

Deno.test("log levels have Python's names too, in any case", () => {
  for (
    const [level, names] of [
      ["error", "error ERROR critical CRITICAL Fatal"],
      ["warn", "warn WARN warning WARNING Warning"],
      ["info", "info INFO Info"],
      ["debug", "debug DEBUG notset"],
    ] as const
  ) {
    for (const name of names.split(" ")) assertEquals([name, fromVariable(logLevel, name)], [name, level]);
  }
  for (const name of ["none", "constructor", "20"]) {
    const { message } = assertThrows(() => fromVariable(logLevel, name), UsageError);
    assertEquals(message, `--log-level (EMPUSA_LOGLEVEL) must be error, warn, info or debug, not "${name}"`);
  }
});

Deno.test("of the versions of etcd's API 3 is taken, and 2 says how to move", () => {
  assertEquals(fromVariable(etcdApiVersion, "3"), "3");
  assertEquals(fromVariable(etcdApiVersion, ""), "3");
  const { message, exitCode } = assertThrows(() => fromVariable(etcdApiVersion, "2"), UsageError);
  assertEquals(exitCode, 2);
  assertMatch(
    message,
    /^--etcd-api-version \(EMPUSA_ETCD_API_VERSION\) cannot be 2, .*"empusa import --from-etcd-v2"/,
  );
  assertThrows(() => fromVariable(etcdApiVersion, "4"), UsageError, 'must be 3, not "4"');
});

Deno.test("endpoints are separated by blanks, commas, or both", () => {
  for (const between of [" ", ",", "  ", ", ", "\t", "\n", " , "]) {
    const endpoints = parseEndpoints(` a:1${between}b:2 `, "http").map(({ address }) => address);
    assertEquals([between, endpoints], [between, ["a:1", "b:2"]]);
  }
});

Deno.test("a unit file of the Python original starts this program", async () => {
  await using etcd = await Etcd.start();
  const { code, stdout, stderr } = await shell(
    '"$0" switch set a 1 && "$0" --etcd-api-version 3 switch get a',
    {
      EMPUSA_ETCD_ENDPOINT: `127.0.0.1:${freePorts(1)[0]} ${etcd.endpoint}`,
      EMPUSA_ETCD_PROTOCOL: "http",
      EMPUSA_TREE_ROOT: "/foo/",
      EMPUSA_LOGLEVEL: "WARNING",
      REQUESTS_CA_BUNDLE: "",
      EMPUSA_SWITCH_TTL: "60",
    },
  );
  assertEquals([code, stdout, stderr], [0, "1\n", ""]);
  assertMatch(await etcd.etcdctl("lease", "list"), /found 1 leases/);
});
