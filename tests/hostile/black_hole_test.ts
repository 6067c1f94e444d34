/** A network that drops every packet: only the kernel can simulate it. */
import { assert } from "@std/assert";
import { missingNamespaces, missingPrograms, testUnless } from "../support/lacking.ts";
import { projectFile } from "../support/project.ts";

testUnless(
  missingPrograms("ip", "iptables", "unshare") ?? missingNamespaces("--net"),
  "a service is registered again within a second after a black hole longer than its TTL",
  async () => {
    const child = projectFile("tests/support/black_hole_child.ts");
    const { stdout, stderr } = await new Deno.Command("unshare", {
      args: ["--net", projectFile("scripts/deno"), "run", "--no-check", "--allow-all", child],
    }).output();
    const [line = ""] = new TextDecoder().decode(stdout).trim().split("\n").slice(-1);
    assert(line.startsWith("["), new TextDecoder().decode(stderr));
    const took: number[] = JSON.parse(line);
    assert(took.every((ms) => ms <= 1000), `${took.join(", ")} ms`);
  },
);
