/** Prometheus, by its HTTP service discovery. */
import { freePorts } from "../../support/etcd.ts";
import { missingPrograms, testUnless } from "../../support/lacking.ts";
import { launch } from "../../support/program.ts";
import { documented } from "./documented.ts";
import { type Follower, followsAll, type Place } from "./follow.ts";

async function start({ port, folder }: Place): Promise<Follower> {
  const [config = ""] = await documented("Prometheus", { 8500: port });
  // The test has no time for the usual interval.
  await Deno.writeTextFile(`${folder}/prometheus.yml`, config.replace("interval: 5s", "interval: 300ms"));
  const own = `127.0.0.1:${freePorts(1)}`;
  const storage = `--storage.tsdb.path=${folder}/data`;
  const args = [`--config.file=${folder}/prometheus.yml`, storage, `--web.listen-address=${own}`];
  const running = launch(["prometheus", ...args], {});
  return {
    sees: async () => {
      const answer = await fetch(`http://${own}/api/v1/targets?state=active`).catch(() => undefined);
      const { data } = answer?.ok ? await answer.json() : { data: { activeTargets: [] } };
      return data.activeTargets.map(({ discoveredLabels }: { discoveredLabels: Record<string, string> }) =>
        discoveredLabels["__address__"]
      ).sort();
    },
    [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
  };
}

testUnless(
  missingPrograms("prometheus"),
  "Prometheus gains and loses targets by HTTP, and keeps them during outages",
  () => followsAll({ path: "/sd/prometheus", start }),
);
