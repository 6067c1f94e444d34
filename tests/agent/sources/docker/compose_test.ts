/** The Compose file of the docs: its labels name the services that it says. */
import { assertEquals } from "@std/assert";
import { parse } from "yaml";
import { reading, shown } from "../../../support/docker_answers.ts";
import { projectFile } from "../../../support/project.ts";

interface Service {
  readonly image: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly environment?: Readonly<Record<string, string>>;
}

/** What the images of the file expose. */
const exposed: Readonly<Record<string, string[]>> = {
  nginx: ["80/tcp"],
  redis: ["6379/tcp"],
  postgres: ["5432/tcp"],
};

Deno.test("the containers of docs/compose.yaml that name a service are registered, and no others", async () => {
  const { services } = parse(await Deno.readTextFile(projectFile("docs/compose.yaml")));
  const all = Object.entries(services as Record<string, Service>).map(([name, { image, labels = {} }]) =>
    shown(reading(
      {
        name: `x-${name}-1`,
        image,
        labels,
        exposed: exposed[image] ?? [],
        networks: { x: "172.18.0.5" },
        networkMode: "x",
      },
      { ip: "container", explicit: true, mirrors: false },
    ))
  );
  assertEquals(all, [
    [],
    [],
    [["web/{hostname}:x-web-1:80@172.18.0.5:80", { checks: [{ http: "http://172.18.0.5:80/" }] }]],
    [["cache/{hostname}:x-cache-1:6379@172.18.0.5:6379", { tags: ["primary"], meta: { version: "7" } }]],
    [["database/{hostname}:x-database-1:5432@172.18.0.5:5432", { meta: { zone: "eu" }, ttl: 30 }]],
  ]);
});
