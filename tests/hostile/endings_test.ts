/** Commands that wait or follow end when they should, and tell why. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { Etcd } from "../support/etcd.ts";
import { until } from "../support/pause.ts";
import { connect, launch, program, start } from "../support/program.ts";

Deno.test("wait exits with 3 and tells of the outage where etcd is away when the time is over", async (t) => {
  await using etcd = await Etcd.start();
  await etcd.putMany([["/foo/service/web/a", "h:1"], ["/foo/switch/s", "no"]]);
  for (
    const [signal, args, how] of [
      [
        "SIGSTOP",
        ["service", "wait", "--service-type", "web", "--count", "2"],
        "found 1 web instance, wanted at least 2",
      ],
      ["SIGKILL", ["switch", "wait", "s", "yes"], 's is "no", not "yes"'],
    ] as const
  ) {
    await t.step(`${args[0]}, ${signal}`, async () => {
      // One type is read in a transaction.
      const read = args[0] === "service" ? "Txn" : "Range";
      const reads = await etcd.answers(read);
      await using waiting = start([...args, "--timeout", "2"], connect(etcd));
      await until("it has read what is there", async () => await etcd.answers(read) > reads);
      await etcd.signal(signal);
      const { code, stderr } = await waiting.outcome;
      assertEquals(code, 3);
      const last = stderr.trimEnd().split("\n").at(-1) as string;
      assert(
        last.startsWith(`empusa: timed out after 2 s: ${how}; the state may be outdated: cannot reach etcd`),
        last,
      );
      await etcd.signal("SIGCONT").catch(() => {});
    });
  }
});

Deno.test("a watch ends when its reader goes away, with no change to tell", async (t) => {
  // Only Linux tells.
  const ignore = Deno.build.os !== "linux";
  await using etcd = await Etcd.start();
  for (
    const command of [
      "service watch",
      "service watch --format table",
      "service export --format json --output - --watch",
    ]
  ) {
    await t.step({
      name: command,
      ignore,
      fn: async () => {
        await etcd.etcdctl("put", "/foo/service/web/a", "h:1");
        const script = `"$0" ${command} | head -n 1; echo " \${PIPESTATUS[0]}"`;
        await using both = launch(["bash", "-c", script, program], connect(etcd));
        const { stdout, took } = await both.outcome;
        assertMatch(stdout, / 0\n$/);
        assert(took < 5000, `${took} ms`);
      },
    });
  }
});
