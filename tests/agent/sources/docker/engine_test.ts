/** The client of the daemon's API, with daemons that are old, new, slow or hostile. */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { agreedVersion, Engine } from "../../../../src/agent/sources/docker/engine.ts";
import { get } from "../../../../src/agent/sources/docker/http.ts";
import { BrokenHttp } from "../../../support/broken_http.ts";
import { idOf } from "../../../support/docker_answers.ts";
import { ScriptedDocker } from "../../../support/scripted_docker.ts";

const versions: readonly (readonly [newest: string, oldest: string, agreed: string])[] = [
  ["1.41", "1.12", "1.41"],
  ["1.44", "1.24", "1.44"],
  ["1.52", "1.44", "1.44"],
  ["1.60", "1.50", "1.50"],
  ["2.0", "", "1.44"],
];
for (const [newest, oldest, agreed] of versions) {
  Deno.test(`with a daemon of API ${newest}, which takes ${oldest || "any"} at least, the client speaks ${agreed}`, () => {
    assertEquals(agreedVersion(newest, oldest), agreed);
  });
}

Deno.test("a daemon without a version is none", () => {
  for (const text of ["", "1", "1.44/../..", "x"]) {
    assertThrows(() => agreedVersion(text, ""), Error, "names no version");
  }
});

function connect(
  daemon: ScriptedDocker,
  deadline = 5000,
  signal = new AbortController().signal,
): Promise<Engine> {
  return Engine.connect({ socket: daemon.socket, deadline, signal });
}

Deno.test("a daemon is asked by the version that both speak", async () => {
  await using daemon = new ScriptedDocker();
  daemon.containers = [{ name: "a" }];
  const engine = await connect(daemon);
  assertEquals((await engine.list()).map(({ id }) => id), [idOf("1")]);
  assertEquals((await engine.inspect(idOf("1")))?.name, "a");
  assertEquals(await engine.inspect(idOf("2")), undefined);
  assertEquals(await engine.inspect("../../images"), undefined);
  assertEquals(daemon.asked, [
    "/version",
    "/v1.44/containers/json",
    `/v1.44/containers/${idOf("1")}/json`,
    `/v1.44/containers/${idOf("2")}/json`,
  ]);
});

const hostile: readonly (readonly [title: string, body: string, status: number, message: string])[] = [
  ["an error", '{"message":"no\\u001b[31m"}', 500, "it answers with status 500: no\u001b[31m"],
  ["an error without a message", "<html>", 502, "it answers with status 502"],
  ["no JSON", "<html>", 200, "its answer is no JSON"],
  ["no list", '{"a":1}', 200, "the answer is no list of containers"],
  ["a list of others", "[null]", 200, "the answer is no list of containers"],
  ["an ID that is a path", '[{"Id":"../x"}]', 200, "the answer is no list of containers"],
];
for (const [title, body, status, message] of hostile) {
  Deno.test(`a list of containers that is ${title} is refused`, async () => {
    await using daemon = new ScriptedDocker();
    daemon.answers.set("/containers/json", () => new Response(body, { status }));
    await assertRejects(async () => await (await connect(daemon)).list(), Error, message);
  });
}

Deno.test("an answer without an end is cut off at 64 MiB", async () => {
  await using daemon = new ScriptedDocker();
  const part = new Uint8Array(2 ** 20).fill(0x20);
  daemon.answers.set(
    "/containers/json",
    () => new Response(new ReadableStream({ pull: (c) => c.enqueue(part) })),
  );
  await assertRejects(async () => await (await connect(daemon, 60_000)).list(), Error, "longer than 64 MiB");
});

Deno.test("a daemon that does not answer is given up after the deadline", async () => {
  await using daemon = new ScriptedDocker();
  const engine = await connect(daemon, 200);
  const { promise, resolve } = Promise.withResolvers<Response>();
  daemon.answers.set("/json", () => promise);
  daemon.answers.set("/events", () => promise);
  await assertRejects(() => engine.list(), Error, "it does not answer within 0.2 s");
  await assertRejects(() => engine.events(), Error, "it does not answer within 0.2 s");
  resolve(new Response());
});

Deno.test("a stream of events outlives the deadline, and ends with the signal", async () => {
  await using daemon = new ScriptedDocker();
  const over = new AbortController();
  const events = await (await connect(daemon, 100, over.signal)).events();
  const next = events.next();
  await new Promise((resolve) => setTimeout(resolve, 200));
  daemon.tell("start", idOf("1"));
  assertEquals((await next).value, { id: idOf("1"), kind: "starts" });
  over.abort(new Error("over"));
  await assertRejects(() => events.next(), Error, "over");
});

Deno.test("events are asked for since the daemon's own time, and without those of exec", async () => {
  await using daemon = new ScriptedDocker();
  const date = "Thu, 01 Jan 2026 00:00:00 GMT";
  daemon.answers.set("/version", () => Response.json(daemon.version, { headers: { date } }));
  const over = new AbortController();
  await (await connect(daemon, 5000, over.signal)).events();
  over.abort();
  const [query] = daemon.queries;
  assertEquals(query?.get("since"), `${Date.parse(date) / 1000}`);
  assertEquals(query?.get("filters")?.includes("exec"), false);
});

Deno.test("a daemon that refuses events, and does not come to an end with it, is given up after the deadline", async () => {
  await using daemon = new ScriptedDocker();
  daemon.answers.set("/events", () => new Response(new ReadableStream(), { status: 403 }));
  const engine = await connect(daemon, 200);
  await assertRejects(() => engine.events(), Error, "it does not answer within 0.2 s");
  daemon.answers.set("/events", () => Response.json({ message: "forbidden" }, { status: 403 }));
  await assertRejects(() => engine.events(), Error, "it answers with status 403: forbidden");
});

Deno.test("events come through, however they are cut and whatever is between them", async () => {
  await using daemon = new ScriptedDocker();
  const over = new AbortController();
  const events = await (await connect(daemon, 5000, over.signal)).events();
  const id = idOf("1");
  daemon.send("no event\n\n");
  daemon.tell("x".repeat(1_100_000), id);
  // The end of a line that is too long is no event, whatever it is.
  daemon.send(" ".repeat(1_100_000));
  daemon.tell("start", id);
  const line = JSON.stringify({ Type: "container", Action: "die", Actor: { ID: id } });
  daemon.send(line.slice(0, 30));
  const next = events.next();
  daemon.send(`${line.slice(30)}\n`);
  assertEquals((await next).value, { id, kind: "stops" });
  daemon.hangUp();
  await assertRejects(() => events.next(), Error, "ended");
  over.abort();
});

/** The server of the test ends its timers in its own time. */
const serverGoesOn = { sanitizeOps: false };

for (
  const way of [
    "too-long",
    "cut-chunk",
    "bad-chunk",
    "cut-headers",
    "closed-at-once",
    "cut-status",
    "no-http",
    "endless-line",
  ]
) {
  Deno.test(`an HTTP server that answers in the way "${way}" is an error`, serverGoesOn, async () => {
    using server = new BrokenHttp();
    const socket = { hostname: "127.0.0.1", port: Number(new URL(server.url).port) };
    await assertRejects(
      async () => {
        const { body } = await get(socket, `/${way}`, AbortSignal.timeout(5000));
        for await (const _ of body);
      },
      Error,
      /bad-chunk|endless-line/.test(way) ? "the answer is not HTTP" : "the connection ended",
    );
  });
}

for (const way of ["silent", "stuck", "endless"]) {
  Deno.test(
    `an HTTP server that answers in the way "${way}" is given up with the signal`,
    serverGoesOn,
    async () => {
      using server = new BrokenHttp();
      const socket = { hostname: "127.0.0.1", port: Number(new URL(server.url).port) };
      const over = new AbortController();
      setTimeout(() => over.abort(new Error("over")), 100);
      await assertRejects(
        async () => {
          const { body } = await get(socket, `/${way}`, over.signal);
          for await (const _ of body);
        },
        Error,
        "over",
      );
    },
  );
}
