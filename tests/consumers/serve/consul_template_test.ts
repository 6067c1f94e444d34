/** consul-template, by Consul's API. */
import { testUnless } from "../../support/lacking.ts";
import { launch } from "../../support/program.ts";
import { consulTemplate } from "../readers.ts";
import { documented } from "./documented.ts";
import { type Follower, followsAll, type Place } from "./follow.ts";

const program = await consulTemplate();

async function start({ port, folder }: Place): Promise<Follower> {
  const [template = "", command = ""] = await documented("consul-template", { 8500: port });
  await Deno.writeTextFile(`${folder}/web.conf.ctmpl`, template);
  const script = `cd ${folder} && exec ${command.replace("consul-template", program.path)}`;
  const running = launch(["sh", "-c", script], {});
  return {
    sees: async () => {
      const text = await Deno.readTextFile(`${folder}/web.conf`).catch(() => "server none;");
      return [...text.matchAll(/^server (\S+);$/gm)].map(([, location = ""]) => location).sort();
    },
    [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
  };
}

testUnless(
  program.missing,
  "consul-template follows instances, and keeps its file during outages",
  () => followsAll({ path: "/v1/health/service/{name}", start }),
);
