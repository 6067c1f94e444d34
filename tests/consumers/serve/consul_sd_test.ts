/** Prometheus, by Consul's API: its package for that, as Debian's Prometheus is built without it. */
import { testUnless } from "../../support/lacking.ts";
import { Asked } from "../asked.ts";
import { built } from "../readers.ts";
import { documented } from "./documented.ts";
import { type Follower, followsAll, type Place } from "./follow.ts";

const program = await built("consulsd");

async function start({ port, folder }: Place): Promise<Follower> {
  const [config = ""] = await documented("Prometheus, by Consul's API", { 8500: port });
  // The test has no time for the usual interval.
  await Deno.writeTextFile(`${folder}/prometheus.yml`, config.replace("interval: 5s", "interval: 300ms"));
  const running = new Asked(program.path, `${folder}/prometheus.yml`);
  return {
    sees: async () => (await running.ask()).split(" ").filter((location) => location !== ""),
    [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
  };
}

testUnless(
  program.missing,
  "Prometheus gains and loses targets by Consul's API, and keeps them during outages",
  () => followsAll({ path: "/v1/health/service/{name}", start }),
);
