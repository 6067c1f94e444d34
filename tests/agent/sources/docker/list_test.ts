/** Lists of containers: what of a line says that a container has changed. */
import { assertEquals } from "@std/assert";
import { readList } from "../../../../src/agent/sources/docker/container.ts";
import { idOf } from "../../../support/docker_answers.ts";

const rows: readonly (readonly [before: string, after: string, isSame: boolean])[] = [
  ["Up 3 seconds", "Up 4 minutes", true],
  ["Up 3 seconds (healthy)", "Up 4 minutes (healthy)", true],
  ["Up 3 seconds (health: starting)", "Up 3 seconds (healthy)", false],
  ["Up 3 seconds (healthy)", "Up 3 seconds (unhealthy)", false],
  ["Up 3 seconds", "Up 3 seconds (Paused)", false],
  ["Restarting (1) 5 seconds ago", "Restarting (1) 15 seconds ago", true],
  ["Exited (137) 5 seconds ago", "Exited (137) 2 hours ago", true],
];

for (const [before, after, isSame] of rows) {
  Deno.test(`"${after}" is ${isSame ? "as good as" : "another state than"} "${before}"`, () => {
    const [a, b] = [before, after].map((Status) =>
      readList([{ Id: idOf("a"), State: "running", Status, Names: ["/a"] }])[0]?.signature
    );
    assertEquals(a === b, isSame);
  });
}
