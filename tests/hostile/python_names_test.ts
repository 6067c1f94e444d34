/** The options and variables of the Python original, as scripts and unit files written for it have them. */
import { assertEquals, assertMatch } from "@std/assert";
import { cli } from "../support/cli.ts";
import { Etcd, freePorts } from "../support/etcd.ts";
import { connect } from "../support/program.ts";

Deno.test("options of the Python original", async (t) => {
  await using etcd = await Etcd.start();
  const env = connect(etcd);
  await cli(["switch", "set", "x", "1"], env);

  await t.step("log levels have Python's names, in any case", async () => {
    for (
      const [levels, tells] of [
        ["info INFO Info debug DEBUG notset", true],
        ["warn WARN warning WARNING Warning error ERROR critical CRITICAL fatal", false],
      ] as const
    ) {
      for (const level of levels.split(" ")) {
        for (
          const [args, more] of [[[], { EMPUSA_LOGLEVEL: level }], [["--log-level", level], {}]] as const
        ) {
          const { code, stderr } = await cli(["switch", "remove", "y", ...args], { ...env, ...more });
          assertEquals([level, code, stderr.includes("already removed: y")], [level, 0, tells]);
        }
      }
    }
    for (const level of ["none", "constructor", "20"]) {
      const { code, stderr } = await cli(["switch", "list"], { ...env, EMPUSA_LOGLEVEL: level });
      assertEquals(code, 2);
      assertMatch(stderr, /--log-level \(EMPUSA_LOGLEVEL\) must be error, warn, info or debug, not "/);
    }
  });

  await t.step("of the versions of etcd's API 3 is taken, and 2 says how to move", async () => {
    assertEquals((await cli(["--etcd-api-version", "3", "switch", "get", "x"], env)).code, 0);
    for (
      const [args, more] of [[[], { EMPUSA_ETCD_API_VERSION: "2" }], [["--etcd-api-version=2"], {}]] as const
    ) {
      const { code, stderr } = await cli([...args, "switch", "get", "x"], { ...env, ...more });
      assertEquals(code, 2);
      assertMatch(
        stderr,
        /^empusa: --etcd-api-version \(EMPUSA_ETCD_API_VERSION\) cannot be 2, .*"empusa import --from-etcd-v2"/,
      );
    }
    assertEquals((await cli(["switch", "get", "x"], { ...env, EMPUSA_ETCD_API_VERSION: "4" })).code, 2);
  });

  await t.step("endpoints are separated by blanks, commas, or both", async () => {
    const dead = `127.0.0.1:${freePorts(1)[0]}`;
    for (const between of [" ", ",", "  ", ", ", "\t", "\n"]) {
      const endpoints = `${dead}${between}${etcd.endpoint}`;
      for (
        const [args, more] of [[[], { EMPUSA_ETCD_ENDPOINT: endpoints }], [
          ["--etcd-endpoint", endpoints],
          {},
        ]] as const
      ) {
        const { code, stdout } = await cli([...args, "switch", "get", "x"], { ...env, ...more });
        assertEquals([between, code, stdout], [between, 0, "1\n"]);
      }
    }
  });
});
