/** `service pause` and `service resume`, as an operator types them. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { Etcd, freePorts } from "../../support/etcd.ts";
import { absent, put, transact } from "../../support/gateway.ts";
import { empusa } from "../../support/in_process.ts";
import { pause } from "../../support/pause.ts";
import { connect } from "../../support/program.ts";

const web = ["--service-type", "web"];
const one = [...web, "--service-name", "a"];

async function withInstance(): Promise<Etcd> {
  const etcd = await Etcd.start();
  await empusa(["service", "register", ...one, "--service-location", "h:1"], connect(etcd));
  return etcd;
}

Deno.test("pause and resume say what they did, and list --all shows it", async () => {
  await using etcd = await withInstance();
  const run = (...args: string[]): ReturnType<typeof empusa> => empusa(["service", ...args], connect(etcd));
  const said = async (...args: string[]): Promise<readonly [number, string]> => {
    const { code, stderr } = await run(...args);
    return [code, stderr];
  };
  assertEquals(await said("pause", ...one, "--reason", "new disk"), [
    0,
    "empusa: paused web/a until it is resumed\n",
  ]);
  assertEquals(await said("pause", ...one), [
    0,
    "empusa: web/a was paused already; it stays out of use until it is resumed\n",
  ]);
  assertEquals((await run("list")).stdout, "TYPE\tNAME\tLOCATION\tTTL\n");
  assertEquals((await run("get", ...one)).code, 6);
  assertEquals(
    (await run("list", "--all")).stdout,
    "TYPE\tNAME\tLOCATION\tSTATE\tTTL\nweb\ta\th:1\tmaintenance\t-\n",
  );
  assertEquals(await said("resume", ...one), [0, "empusa: resumed web/a\n"]);
  assertEquals(await said("resume", ...one), [0, "empusa: web/a was not paused\n"]);
  assertEquals((await run("list", "--format", "plain")).stdout, "h:1\n");
});

Deno.test("the state can be printed for scripts", async () => {
  await using etcd = await withInstance();
  const pause = ["service", "pause", ...one, "--reason", "disk", "--format", "json"];
  const { stdout } = await empusa(pause, connect(etcd));
  assertEquals(JSON.parse(stdout), [{
    ...{
      service: "web/a",
      type: "web",
      name: "a",
      location: "h:1",
      ttl: null,
      tags: [],
      meta: {},
      weight: 1,
    },
    ...{ state: "maintenance", reason: "disk" },
  }]);
  const resume = await empusa(["service", "resume", ...one, "--format", "jsonl"], connect(etcd));
  assertEquals(JSON.parse(resume.stdout).state, "up");
});

Deno.test("a whole type is paused and resumed", async () => {
  await using etcd = await withInstance();
  const all = [...web, "--all"];
  const { code, stderr } = await empusa(["service", "pause", ...all], connect(etcd));
  assertEquals([code, stderr], [0, "empusa: paused web/a until it is resumed\n"]);
  const later = ["service", "register", ...web, "--service-name", "b", "--service-location", "h:2"];
  assertStringIncludes(
    (await empusa(later, connect(etcd))).stderr,
    "warning: web/b is paused by ",
  );
  const refused = await empusa(["service", "resume", ...one], connect(etcd));
  assertEquals([refused.code, refused.stderr], [
    9,
    "empusa: web/a stays out of use: all of web is paused; resume that with --all\n",
  ]);
  const resumed = await empusa(["service", "resume", ...all], connect(etcd));
  assertEquals([resumed.code, resumed.stderr], [0, "empusa: resumed web/a\nempusa: resumed web/b\n"]);
  const again = await empusa(["service", "resume", ...all], connect(etcd));
  assertEquals([again.code, again.stderr], [0, "empusa: no web instance was paused\n"]);
});

Deno.test("what cannot be paused, and what is typed wrong, says so", async () => {
  await using etcd = await withInstance();
  for (
    const [args, code, message] of [
      [["pause", ...web, "--service-name", "no"], 6, "web/no is not registered"],
      [["resume", ...web, "--service-name", "no"], 6, "web/no is not registered"],
      [["pause", "--service-type", "no", "--all"], 6, "no no instance is registered"],
      [["pause", ...one, "--for", "60"], 9, "cannot pause web/a for a time: nobody keeps it"],
      [["pause", ...one, "--for", "0"], 2, "--for (EMPUSA_PAUSE_FOR) must be"],
      [["pause", ...one, "--reason", "a\nb"], 2, "--reason (EMPUSA_PAUSE_REASON) must be one line"],
      [["pause", ...web], 2, "missing --service-name (EMPUSA_SERVICE_NAME), or --all (EMPUSA_PAUSE_ALL)"],
      [["pause", ...one, "--all"], 2, "must not both be given"],
      [["resume", ...one, "--all"], 2, "must not both be given"],
      [
        ["list", "--all", "--format", "haproxy"],
        2,
        "--all (EMPUSA_ALL) needs --format (EMPUSA_FORMAT) table, json",
      ],
    ] as const
  ) {
    const outcome = await empusa(["service", ...args], connect(etcd));
    assertEquals([args.join(" "), outcome.code], [args.join(" "), code]);
    assertStringIncludes(outcome.stderr, message);
  }
  const away = {
    EMPUSA_ETCD_ENDPOINT: `127.0.0.1:${freePorts(1)[0]}`,
    EMPUSA_TREE_ROOT: "/foo",
    EMPUSA_TIMEOUT: "1",
  };
  for (const verb of ["pause", "resume"]) {
    assertEquals((await empusa(["service", verb, ...one], away)).code, 3);
  }
});

Deno.test("a keeper that knows no marks is told from one that does", async () => {
  await using etcd = await withInstance();
  const key = "/foo/service/web/a";
  const pausing = empusa(["service", "pause", ...one], connect(etcd));
  // Another program keeps the raw key there. It leaves alone what is there, as pause would not get between its writes.
  let isOver = false;
  void pausing.finally(() => isOver = true);
  while (!isOver) {
    await transact(etcd.url, { compare: [absent(key)], success: [put(key, "h:1")] });
    await pause(10);
  }
  const { code, stderr } = await pausing;
  assertEquals(code, 9);
  assertStringIncludes(stderr, "web/a is in use again: what keeps it registered is an older empusa");
});
