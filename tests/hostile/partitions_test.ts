/** A short seed of the partitions, where this machine can make them; `deno task partitions` runs longer ones. */
import { missing } from "../../tools/partitions/needs.ts";
import { testUnless } from "../support/lacking.ts";
import { launch } from "../support/program.ts";
import { projectFile } from "../support/project.ts";

/** Tried beside the sources. */
const executable = Deno.env.get("EMPUSA_UNDER_TEST");

// Members frozen; packets reordered; all packets dropped for longer than the TTL.
testUnless(
  await missing(),
  "registrations and watches survive frozen members, reordered packets and a partition",
  async () => {
    await using partitions = launch([projectFile("tools/run"), "partitions/main", "3", "1108"], {
      // Other tests run at the same time.
      EMPUSA_PROMISED: "1500",
      ...executable === undefined ? {} : { EMPUSA_EXECUTABLE: executable },
    });
    const { code, stdout, stderr } = await partitions.outcome;
    if (code !== 0) throw new Error(`${stdout}${stderr}`);
  },
);
