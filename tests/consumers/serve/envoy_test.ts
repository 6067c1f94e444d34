/** Envoy, by REST. */
import { freePorts } from "../../support/etcd.ts";
import { testUnless } from "../../support/lacking.ts";
import { launch } from "../../support/program.ts";
import { envoy } from "../readers.ts";
import { documented } from "./documented.ts";
import { type Follower, followsAll, type Place, reached } from "./follow.ts";

const program = await envoy();

async function start({ port, folder }: Place): Promise<Follower> {
  const [own = 0] = freePorts(1);
  const [config = ""] = await documented("Envoy", { 8500: port, 8080: own });
  await Deno.writeTextFile(`${folder}/envoy.yaml`, config);
  const args = ["-c", `${folder}/envoy.yaml`, "--concurrency", "1", "--disable-hot-restart"];
  const running = launch([program.path, ...args], {});
  return {
    sees: () => reached(`http://127.0.0.1:${own}/web`),
    [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
  };
}

testUnless(
  program.missing,
  "Envoy follows a change within 200 ms, and keeps its endpoints during outages",
  () => followsAll({ path: "/v3/discovery:endpoints", within: 200, start }),
);
