/** What src/registry/etcd/compat/http2.ts is there for. When this passes without it, it can go. */
import { assert, assertEquals } from "@std/assert";
import { Etcd } from "../../support/etcd.ts";
import { GoawayProxy } from "../../support/goaway_proxy.ts";
import { projectFile } from "../../support/project.ts";

const children = 4;
const times = 300;

Deno.test("a loop of GOAWAYs, as polite restarts send them, does not end the process", async () => {
  await using etcd = await Etcd.start();
  const run = async (): Promise<{ code: number; stderr: string; sent: number }> => {
    using proxy = new GoawayProxy(etcd.endpoint);
    const child = projectFile("tests/support/goaway_child.ts");
    const { code, stderr } = await new Deno.Command(projectFile("scripts/deno"), {
      args: ["run", "--no-check", "--allow-all", child, proxy.endpoint, `${times}`],
    }).output();
    return { code, stderr: new TextDecoder().decode(stderr), sent: proxy.sent };
  };
  // Not every GOAWAY is deadly without the patch: about one in 500 is.
  for (const { code, stderr, sent } of await Promise.all(Array.from({ length: children }, run))) {
    assertEquals({ code, stderr }, { code: 0, stderr: "" });
    assert(sent > times / 2, `only ${sent} GOAWAYs were sent`);
  }
});
