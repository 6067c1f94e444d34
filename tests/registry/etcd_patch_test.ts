/** What src/registry/etcd_patch.ts is there for. When one of these passes without it, it can go. */
import { assert, assertEquals } from "@std/assert";
import { Etcd } from "../support/etcd.ts";
import { GoawayProxy } from "../support/goaway_proxy.ts";
import { projectFile } from "../support/project.ts";

Deno.test("a loop of GOAWAYs, as polite restarts send them, does not end the process", async () => {
  await using etcd = await Etcd.start();
  using proxy = new GoawayProxy(etcd.endpoint);
  const child = new Deno.Command(projectFile("scripts/deno"), {
    args: [
      "run",
      "--no-check",
      "--allow-all",
      projectFile("tests/support/goaway_child.ts"),
      proxy.endpoint,
      "300",
    ],
  });
  const { code, stderr } = await child.output();
  assertEquals({ code, stderr: new TextDecoder().decode(stderr) }, { code: 0, stderr: "" });
  assert(proxy.sent > 200, `only ${proxy.sent} GOAWAYs were sent`);
});
