import { assert, assertEquals } from "@std/assert";
import type { RegisteredInstance } from "../../src/registry/mod.ts";
import { EventLog } from "../../src/server/event_log.ts";
import { RenderCache } from "../../src/server/render_cache.ts";
import { RegistryView } from "../../src/server/view.ts";
import { until } from "../support/pause.ts";

const instance = (name: string): RegisteredInstance => ({
  type: "web",
  name,
  location: "h:1",
  lease: undefined,
  createRevision: 1,
  modifyRevision: 1,
});

Deno.test("the log goes on from what it knows, and forgets the oldest publications", async () => {
  using view = new RegistryView();
  using log = new EventLog(view, new RenderCache());
  view.takeServices({ kind: "snapshot", revision: 5, items: [] });
  view.takeSwitches({ kind: "snapshot", revision: 5, items: [] });
  const { index, event } = await log.snapshot("snapshot");
  const [, id] = /^id: (.*)$/m.exec(new TextDecoder().decode(event)) ?? [];
  assertEquals([log.indexOf(id), log.after(index)], [index, { index, events: [] }]);
  for (
    const foreign of [undefined, "", "5", `${index}-00000000`, `${id}0`, `${index + 1}-${id?.split("-")[1]}`]
  ) {
    assertEquals([foreign, log.indexOf(foreign)], [foreign, undefined]);
  }
  view.takeServices({ kind: "put", revision: 10, item: instance("a") });
  await until("it is published", () => view.index === 10);
  assertEquals(log.after(index)?.events.length, 1);
  const put = Array.from({ length: 20_001 }, (_, i) => instance(`${i}`));
  view.takeServices({ kind: "resync", revision: 20, put, deleted: [] });
  await until("it is published", () => view.index === 20);
  assertEquals([log.indexOf(id), log.after(index)], [undefined, undefined]);
  assert(log.after(20) !== undefined);
});
