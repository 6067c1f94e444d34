/** What becomes of a container through events and inspections, without a daemon. */
import { assertEquals } from "@std/assert";
import type { EngineEvent } from "../../../../src/agent/sources/docker/events.ts";
import { States } from "../../../../src/agent/sources/docker/states.ts";
import { container, idOf, type Sketch } from "../../../support/docker_answers.ts";

const id = idOf("1");

/** Something that happens, and whether the services are named then: `in`, `none`, `gone`, or why they are out of use. */
type Step = readonly [what: Partial<EngineEvent> | Sketch | "gone" | "reload" | "reconnect", then: string];

const start = { kind: "starts" } as const;
const die = { kind: "stops" } as const;
const kill = (signal: number): Partial<EngineEvent> => ({ kind: "kill", signal });
const run1 = { startedAt: "2026-01-01T00:00:01Z" };
const run2 = { startedAt: "2026-01-01T00:00:02Z" };
const ended = { state: { Running: false } };

const tables: Readonly<Record<string, readonly Step[]>> = {
  "without a HEALTHCHECK it is named as soon as it runs": [[start, "gone"], [run1, "in"], [die, "none"], [
    ended,
    "gone",
  ]],
  "with one it is named once that has passed": [
    [{ ...run1, health: "starting" }, "none"],
    [{ ...run1, health: "healthy" }, "in"],
  ],
  "with one that fails it is named, and out of use": [
    [{ ...run1, health: "starting" }, "none"],
    [{ ...run1, health: "unhealthy", output: "no route\nto host" }, "unhealthy: no route"],
    [{ ...run1, health: "healthy" }, "in"],
    [{ ...run1, health: "unhealthy" }, "unhealthy"],
  ],
  "what a HEALTHCHECK prints is one short line": [
    [
      { ...run1, health: "unhealthy", output: `\n \x1b[31m${"x".repeat(5000)}` },
      `unhealthy: \\u001b[31m${"x".repeat(110)}…`,
    ],
    [{ ...run1, health: "unhealthy", output: "a\ud800b\ufffdc" }, "unhealthy: a?b?c"],
  ],
  "a pause takes it out of use": [
    [{ ...run1, health: "healthy" }, "in"],
    [{ ...run1, health: "healthy", state: { Paused: true } }, "paused"],
    [{ ...run1, health: "healthy" }, "in"],
  ],
  "a pause before its HEALTHCHECK has passed names nothing": [
    [{ ...run1, health: "starting", state: { Paused: true } }, "none"],
  ],
  "a late healthy after a kill brings nothing back": [
    [{ ...run1, health: "healthy" }, "in"],
    [kill(15), "none"],
    [{ ...run1, health: "healthy" }, "none"],
    [{ kind: "changes" }, "none"],
    [{ ...run1, health: "healthy" }, "none"],
    [die, "none"],
    [{ ...run1, health: "healthy" }, "none"],
    [{ ...run1, ...ended }, "gone"],
  ],
  "its next run counts": [
    [run1, "in"],
    [kill(15), "none"],
    [die, "none"],
    [start, "in"],
    [run2, "in"],
  ],
  "its next run counts, even if the daemon has not told of it": [[run1, "in"], [kill(9), "none"], [
    run2,
    "in",
  ]],
  "its next run waits for its HEALTHCHECK": [
    [{ ...run1, health: "healthy" }, "in"],
    [kill(15), "none"],
    [start, "in"],
    [{ ...run2, health: "starting" }, "none"],
    [{ ...run2, health: "healthy" }, "in"],
  ],
  "a kill before it is known counts": [
    [start, "gone"],
    [kill(15), "gone"],
    [{ ...run1, health: "healthy" }, "none"],
    [run2, "in"],
  ],
  "a kill of its next run counts before that is known": [
    [run1, "in"],
    [die, "none"],
    [start, "in"],
    [kill(15), "none"],
    // The answer to an inspection before the start.
    [run1, "none"],
    [run2, "none"],
    [start, "in"],
    [{ startedAt: "2026-01-01T00:00:03Z" }, "in"],
  ],
  "a kill counts after a start that is told once more": [[run1, "in"], [start, "in"], [run1, "in"], [
    kill(15),
    "none",
  ]],
  "a kill before a connection is lost, of a container that is not known, counts no more": [
    [kill(15), "gone"],
    ["reconnect", "gone"],
    [run1, "in"],
  ],
  "a kill of a known container counts after a connection is lost": [
    [run1, "in"],
    [kill(15), "none"],
    ["reconnect", "none"],
    [run1, "none"],
  ],
  "a signal that has it read its configuration again changes nothing": [[run1, "in"], [kill(1), "in"], [
    kill(10),
    "in",
  ]],
  "the signal that docker stop sends counts": [[{ ...run1, stopSignal: "SIGUSR1" }, "in"], [
    kill(10),
    "none",
  ]],
  "the signal that stops systemd counts": [[{ ...run1, stopSignal: "SIGRTMIN+3" }, "in"], [kill(37), "none"]],
  "a kill with an unknown signal counts": [[run1, "in"], [{ kind: "kill" }, "none"]],
  "a container that ignores a signal counts again after a reload": [
    [run1, "in"],
    [kill(15), "none"],
    ["reload", "in"],
    [run1, "in"],
  ],
  "one that restarts on its own is not there": [
    [run1, "in"],
    [die, "none"],
    [{ ...run1, state: { Running: true, Restarting: true } }, "gone"],
    [start, "gone"],
    [run2, "in"],
  ],
  "one that is removed is gone": [[run1, "in"], ["gone", "gone"], [run2, "in"]],
  "a daemon that restarts begins with starting, and what its HEALTHCHECK said of this run still counts": [
    [{ ...run1, health: "healthy" }, "in"],
    [{ ...run1, health: "starting" }, "in"],
    [{ ...run1, health: "unhealthy" }, "unhealthy"],
    [{ ...run1, health: "starting" }, "unhealthy"],
    [{ ...run2, health: "starting" }, "none"],
  ],
};

for (const [title, steps] of Object.entries(tables)) {
  Deno.test(`a container: ${title}`, () => {
    const states = new States();
    const seen = steps.map(([what]): string => {
      if (what === "reload") states.forgetStopping();
      else if (what === "reconnect") states.reconnected();
      else if (what === "gone") states.inspected(id, undefined);
      else if ("kind" in what) states.take({ id, kind: "changes", ...what });
      else states.inspected(id, container(what));
      const [standing] = states.standings();
      if (standing === undefined) return "gone";
      return standing.isNamed ? standing.out ?? "in" : "none";
    });
    assertEquals(seen, steps.map(([, then]) => then));
  });
}

Deno.test("a container stays the same object while nothing of it has changed", () => {
  const states = new States();
  const current = (): unknown => states.standings()[0]?.container;
  states.inspected(id, container({ labels: { a: "b" } }));
  const first = current();
  states.inspected(id, container({ labels: { a: "b" } }));
  assertEquals(current() === first, true);
  states.inspected(id, container({ labels: { a: "c" } }));
  assertEquals(current() === first, false);
});
