/** The TTLs that the page shows, and what they cost etcd. */
import { assert, assertEquals } from "@std/assert";
import { Etcd } from "../support/etcd.ts";
import { serving, test } from "../support/serving.ts";
import { until } from "../support/pause.ts";

test("TTLs are told for some instances at a time, and many readers cost etcd no more than one", async () => {
  await using etcd = await Etcd.start();
  await using server = await serving(etcd);
  const { services } = server.registry;
  for (const name of ["a", "b", "c"]) await services.register({ type: "web", name, location: "h:1" }, 30);
  await services.register({ type: "web", name: "stays", location: "h:1" });
  await until("all are there", () => server.view.services.size === 4);
  const ask = async (body: unknown): Promise<{ status: number; text: string }> => {
    const headers = { "Content-Type": "application/json" };
    const answer = await fetch(`${server.url}/api/ttls`, {
      method: "POST",
      headers,
      body: JSON.stringify(body),
    });
    return { status: answer.status, text: await answer.text() };
  };
  const names = ["a", "stays", "none", "b", "c", "a"];
  const all = await Promise.all(
    Array.from({ length: 50 }, () => ask({ services: names.map((name) => ["web", name]) })),
  );
  for (const { text } of all) {
    const times = JSON.parse(text).services;
    assertEquals([times.length, times[1], times[2], times[0].granted], [6, null, null, 30]);
    assert(times[0].ttl >= 25 && times[0].ttl <= 30, text);
    assertEquals(times[5], times[0]);
  }
  assertEquals(await etcd.calls("LeaseTimeToLive"), 3);
  for (
    const body of [{}, { services: [["web"]] }, { services: [["web", 1]] }, {
      services: Array(101).fill(["a", "b"]),
    }]
  ) {
    assertEquals((await ask(body)).status, 400);
  }
});
