/** Starts and stops containers at random, and compares what the source of the agent names: `deno task docker-churn [SEEDS [FIRST]]`. */
import { Docker, missingDocker } from "../tests/support/docker.ts";
import { churn } from "../tests/support/docker_churn.ts";
import { print } from "./print.ts";

const [seeds = 5, first = 1] = Deno.args.map(Number);
const missing = missingDocker();
if (missing !== undefined) {
  await print(missing);
  Deno.exit(1);
}
await using docker = await Docker.start({ hasNetwork: true });
await docker.importTiny();
let failed = 0;
for (let seed = first; seed < first + seeds; seed++) {
  try {
    await print(`seed ${seed}: ${await churn(docker, seed, { containers: 30, rounds: 5 })} commands`);
  } catch (error) {
    failed++;
    await print(`seed ${seed} FAILED: ${(error as Error).message}`);
  }
}
await print(`${seeds} seeds, ${failed} failed`);
Deno.exitCode = failed === 0 ? 0 : 1;
