/** A type with a comma, which options that take several types would split. */
import { assertEquals } from "@std/assert";
import { Etcd } from "../support/etcd.ts";
import { connect, empusa } from "../support/program.ts";

Deno.test("a type with a comma is not registered anew, and one that is there can be listed and removed", async () => {
  await using etcd = await Etcd.start();
  await etcd.putMany([["/foo/service/a,b/x", "h:1"], ["/foo/service/a/y", "h:2"]]);
  const run = async (...args: string[]): Promise<[number, string, string]> => {
    const { code, stdout, stderr } = await empusa(args, connect(etcd));
    return [code, stdout, stderr.split("\n")[0] ?? ""];
  };
  const refused = 'empusa: --service-type (EMPUSA_SERVICE_TYPE) must hold no ",", not "a,b"';
  const named = ["--service-type", "a,b", "--service-name", "x"];
  for (const args of [["register"], ["run"]]) {
    const behind = args[0] === "run" ? ["--", "true"] : [];
    assertEquals(await run("service", ...args, ...named, "--service-location", "h:1", ...behind), [
      2,
      "",
      refused,
    ]);
  }
  const plain = ["service", "list", "--format", "plain", "--service-type"];
  assertEquals(await run(...plain, "a\\,b"), [0, "h:1\n", ""]);
  assertEquals(await run(...plain, "a\\,b,a"), [0, "h:2\nh:1\n", ""]);
  assertEquals(await run(...plain, "a,b"), [0, "h:2\n", ""]);
  assertEquals(await run("service", "get", ...named), [0, "h:1\n", ""]);
  assertEquals(await run("service", "unregister", ...named), [0, "", "empusa: unregistered a,b/x"]);
});
