/** Containers that come and go at random, and a source that has to name those that run, at every quiet moment. */
import { dockerSource } from "../../src/agent/sources/docker/mod.ts";
import type { Docker } from "./docker.ts";
import { until } from "./pause.ts";
import { Random } from "./random.ts";
import { RecordedSource } from "./recorded_source.ts";

export interface Churn {
  readonly containers: number;
  /** How many orders each of them gets after its start. */
  readonly rounds: number;
}

/** How many commands run at the same time. */
const concurrency = 4;

/**
 * @returns how many commands succeeded
 * @throws {Error} if the source names something else than what runs
 */
export async function churn(docker: Docker, seed: number, { containers, rounds }: Churn): Promise<number> {
  const random = new Random(seed);
  const options = { socket: { path: docker.socket }, explicit: false, ip: "host" };
  // Only events may tell in time.
  await using source = new RecordedSource(dockerSource(options, { every: 600_000 }));
  const names = Array.from({ length: containers }, (_, i) => `c${seed}-${i}`);
  const create = (name: string): readonly string[] => [
    ...["run", "--detach", `--name=${name}`, `--publish=${10_000 + names.indexOf(name)}:80`],
    ...["--stop-timeout=1", "tiny", "sleep", "1000"],
  ];
  const commands: readonly ((name: string) => readonly string[])[] = [
    create,
    create,
    (name) => ["start", name],
    (name) => ["stop", name],
    (name) => ["kill", name],
    (name) => ["kill", "--signal=HUP", name],
    (name) => ["pause", name],
    (name) => ["unpause", name],
    (name) => ["restart", name],
    (name) => ["rm", "--force", name],
  ];
  let done = 0;
  try {
    for (let round = 0; round <= rounds; round++) {
      const orders = names.map((name) => round === 0 ? create(name) : random.oneOf(commands)(name));
      const work = async (): Promise<void> => {
        for (let order; (order = orders.pop()) !== undefined;) {
          if ((await docker.run(order)).code === 0) done++;
        }
      };
      await Promise.all(Array.from({ length: concurrency }, work));
      await sameAs(docker, source);
    }
  } finally {
    await docker.run(["rm", "--force", ...names]);
  }
  return done;
}

/** Waits until the source names just what runs. */
async function sameAs(docker: Docker, source: RecordedSource): Promise<void> {
  const all = await docker.do("ps", "--format={{.Names}} {{.State}} {{.Ports}}");
  const expected = all.split("\n").filter((line) => line !== "").map((line) => {
    const [, name, state, port] = /^(\S+) (\S+) .*?:(\d+)->80/.exec(line) ?? [];
    return `tiny/{hostname}:${name}:80@{ip}:${port}${state === "paused" ? " paused" : ""}`;
  }).sort();
  await until("what runs is named", () => `${source.named}` === `${expected}`).catch(() => {
    throw new Error(`the source names\n${source.named.join("\n")}\nand these run:\n${expected.join("\n")}`);
  });
}
