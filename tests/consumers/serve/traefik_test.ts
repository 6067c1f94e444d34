/** Traefik, by Consul's catalog and by its HTTP provider. */
import { freePorts } from "../../support/etcd.ts";
import { testUnless } from "../../support/lacking.ts";
import { launch } from "../../support/program.ts";
import { traefik } from "../readers.ts";
import { documented } from "./documented.ts";
import { type Follower, followsAll, type Place, reached } from "./follow.ts";

const program = await traefik();

const byCatalog = "Traefik, by Consul's catalog";

/** Starts it with the examples of a section: its static configuration, and maybe its routes. */
async function start(heading: string, { port, folder }: Place): Promise<Follower> {
  const [own = 0] = freePorts(1);
  const [config = "", routes = ""] = await documented(heading, { 8500: port, 8080: own });
  const quiet = "global:\n  checkNewVersion: false\n  sendAnonymousUsage: false\nlog:\n  level: DEBUG\n";
  const whole = config.replace("routes.yml", `${folder}/routes.yml`) + quiet;
  await Deno.writeTextFile(`${folder}/traefik.yml`, whole);
  await Deno.writeTextFile(`${folder}/routes.yml`, routes);
  const running = launch([program.path, `--configFile=${folder}/traefik.yml`], {});
  return {
    sees: () => reached(`http://127.0.0.1:${own}/web`),
    ...heading === byCatalog ? { complains: () => running.printed("Watch errored") } : {},
    [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
  };
}

testUnless(
  program.missing,
  "Traefik follows Consul's catalog, and keeps its servers during outages",
  () =>
    // It pauses for 5 s after the first failure, 20 s after the second one, and so on.
    followsAll({ start: (place) => start(byCatalog, place) }),
);

testUnless(
  program.missing,
  "Traefik follows instances by HTTP, and keeps its servers during outages",
  () => followsAll({ path: "/sd/traefik", start: (place) => start("Traefik, by HTTP", place) }),
);
