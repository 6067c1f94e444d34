import { assertEquals } from "@std/assert";
import { Naming, type Standing } from "../../../../src/agent/sources/docker/naming.ts";
import { container, idOf, type Sketch } from "../../../support/docker_answers.ts";

const options = { socket: { path: "/sock" }, explicit: false, ip: "host" };
const published = { "80/tcp": ["0.0.0.0:8080"], "81/tcp": ["0.0.0.0:8081"] };

function standing(sketch: Sketch, more: Partial<Standing> = {}): Standing {
  return { container: container({ published, ...sketch }), isNamed: true, out: undefined, ...more };
}

function origins(standings: readonly Standing[]): unknown[] {
  const { services, warnings } = new Naming(options).name(standings);
  return [
    ...services.map(({ origin, out }) => out === undefined ? origin : `${origin}: ${out}`),
    ...warnings,
  ];
}

const young = { id: "1", name: "young", created: "2026-01-01T00:00:02Z" };
const old = { id: "2", name: "old", created: "2026-01-01T00:00:01Z" };
const labels = { "empusa.type": "web", "empusa.name": "a", "empusa.port": "80" };

Deno.test("of two containers with one name, the older one has it", () => {
  assertEquals(origins([standing({ ...young, labels }), standing({ ...old, labels })]), [
    "container old",
    "skipped web/a of container young: container old has that name; give one of them another empusa.name",
  ]);
});

Deno.test("the younger container has the name when the older one is not named", () => {
  const standings = [standing({ ...young, labels }), standing({ ...old, labels }, { isNamed: false })];
  assertEquals(origins(standings), ["container young"]);
});

Deno.test("a container that is out of use keeps its name", () => {
  const standings = [standing({ ...young, labels }), standing({ ...old, labels }, { out: "paused" })];
  assertEquals(origins(standings).slice(0, 1), ["container old: paused"]);
});

Deno.test("of two ports with one name, the first one has it", () => {
  const same = { "empusa.80.type": "web", "empusa.81.type": "web", "empusa.name": "a" };
  assertEquals(origins([standing({ labels: same })]), [
    "container web-1 port 80",
    "skipped web/a of container web-1 port 81: container web-1 port 80 has that name; " +
    "give one of them another empusa.name",
  ]);
});

Deno.test("a container that breaks a rule does not disturb the others", () => {
  assertEquals(
    origins([standing({ ...old, labels: { "empusa.ttl": "x" } }), standing({ ...young, labels })]),
    [
      "container young",
      "skipped container old: label empusa.ttl must be a whole number, at least 1 and at most 9000000000",
    ],
  );
});

Deno.test("a container that shares the network of another has the ports of that one", () => {
  const app = { ...young, networkMode: `container:${idOf("2")}`, published: {}, exposed: ["80/tcp"] };
  const owner = standing({ ...old, labels: { "empusa.ignore": "true" } });
  assertEquals(origins([standing(app), owner]), ["container young"]);
  assertEquals(origins([standing(app)]), []);
  // It starts before the other one, and after it.
  const naming = new Naming(options);
  const alone = standing(app);
  assertEquals([[alone], [alone, owner], [alone]].map((all) => naming.name(all).services.length), [0, 1, 0]);
});

Deno.test("a container that has not changed keeps its definitions", () => {
  const naming = new Naming(options);
  const standings = [standing({})];
  const [before] = naming.name(standings).services;
  const [after] = naming.name(standings.map((one) => ({ ...one, out: "paused" }))).services;
  assertEquals(before?.definition === after?.definition, true);
});
