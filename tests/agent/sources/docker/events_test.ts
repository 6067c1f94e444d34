import { assertEquals } from "@std/assert";
import { readEvent, signalNumber } from "../../../../src/agent/sources/docker/events.ts";
import { idOf } from "../../../support/docker_answers.ts";

const id = idOf("1");
const event = (Action: string, Attributes = {}, Type = "container", ID = id): string =>
  JSON.stringify({ Type, Action, Actor: { ID, Attributes }, timeNano: 1 });

const lines: readonly (readonly [title: string, line: string, expected: ReturnType<typeof readEvent>])[] = [
  ["start", event("start"), { id, kind: "starts" }],
  ["die", event("die", { exitCode: "137" }), { id, kind: "stops" }],
  ["stop", event("stop"), { id, kind: "stops" }],
  ["kill", event("kill", { signal: "15" }), { id, kind: "kill", signal: 15 }],
  ["kill without a signal", event("kill"), { id, kind: "kill", signal: undefined }],
  ["health_status: healthy", event("health_status: healthy"), { id, kind: "changes" }],
  ["connect", event("connect", { container: id }, "network", "abc"), { id, kind: "changes" }],
  ["connect of no container", event("connect", {}, "network"), undefined],
  ["an ID that is a path", event("start", {}, "container", "../../images"), undefined],
  ["an empty line", "", undefined],
  ["no JSON", "{", undefined],
  ["null", "null", undefined],
  ["other shapes", '{"Action":{},"Actor":[{"ID":7}]}', undefined],
];
for (const [title, line, expected] of lines) {
  Deno.test(`an event of the daemon: ${title}`, () => {
    assertEquals(readEvent(line), expected);
  });
}

Deno.test("signals have numbers, however they are written", () => {
  const numbers = ["15", "SIGTERM", "term", "9", "SIGRTMIN+3", "RTMAX-1", "RTMIN", "", "SIGNOTHING", "123"];
  assertEquals(numbers.map(signalNumber), [15, 15, 15, 9, 37, 63, 34, undefined, undefined, undefined]);
});
