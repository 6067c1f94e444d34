/** A signal ends what has not begun yet, also as process 1, and never with the code for done. */
import { assert, assertEquals } from "@std/assert";
import { Etcd } from "../support/etcd.ts";
import { missingNamespaces, testUnless } from "../support/lacking.ts";
import { pause } from "../support/pause.ts";
import { connect, launch, program, registerWeb, signalFirst } from "../support/program.ts";

testUnless(
  missingNamespaces("--pid", "--fork", "--mount-proc"),
  "SIGTERM ends commands that wait for etcd, as process 1 too",
  async (t) => {
    await using etcd = await Etcd.start();
    await etcd.signal("SIGSTOP");
    for (
      const [line, code] of [
        ["switch test maintenance", 143],
        ["service list", 143],
        ["service wait --service-type web", 143],
        [`${registerWeb.join(" ")} --ttl 30 --refresh-every 10`, 143],
      ] as const
    ) {
      await t.step(line, async () => {
        await using running = launch(
          ["unshare", "-pf", "--mount-proc", program, ...line.split(" "), "--timeout", "60"],
          connect(etcd),
        );
        // Until it has begun to ask.
        await pause(2000);
        const began = performance.now();
        await signalFirst(running, "SIGTERM");
        assertEquals((await running.outcome).code, code);
        assert(performance.now() - began < 5000);
      });
    }
  },
);
