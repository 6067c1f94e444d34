/** What the page changes: for whom, and what is said of it. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { Etcd } from "../support/etcd.ts";
import { exchange, serving, type ServingHere, test } from "../support/serving.ts";
import { connect, start } from "../support/program.ts";
import { until } from "../support/pause.ts";

interface Sent {
  readonly status: number;
  readonly text: string;
}

/** Sends a change by hand, as `fetch` sets Host and leaves out Origin. A header that is empty is not sent. */
async function send(
  { port }: Pick<ServingHere, "port">,
  action: string,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Sent> {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const all = {
    Host: `127.0.0.1:${port}`,
    Origin: `http://127.0.0.1:${port}`,
    "Content-Type": "application/json",
    "Content-Length": `${new TextEncoder().encode(text).length}`,
    Connection: "close",
    ...headers,
  };
  const lines = Object.entries(all).filter(([, value]) => value !== "").map(([name, value]) =>
    `${name}: ${value}\r\n`
  );
  const answer = await exchange(
    port,
    `POST /api/changes/${action} HTTP/1.1\r\n${lines.join("")}\r\n${text}`,
  );
  const [head = "", said = ""] = answer.split(/\r\n\r\n(.*)/s);
  return { status: Number(head.split(" ")[1]), text: said.trim() };
}

const web = { type: "web", name: "a" };

test("the page pauses, resumes and unregisters instances and toggles switches; who asked is logged", async () => {
  await using etcd = await Etcd.start();
  await using server = await serving(etcd, { uiWrite: true });
  const { view, registry, logged } = server;
  await registry.services.register({ ...web, location: "h:1" });
  await registry.switches.set("features/x", "on");
  await until("both are there", () => view.services.size === 1 && view.switches.length === 1);
  const state = () => view.services.get("web", "a")?.out;
  assertEquals(await send(server, "pause", { ...web, reason: "disk", seconds: null }), {
    status: 200,
    text: '{"done":"paused web/a until it is resumed"}',
  });
  await until("it is paused", () => state()?.reason === "disk");
  assertEquals((await send(server, "resume", web)).status, 200);
  await until("it is back", () => state() === undefined);
  assertEquals(await send(server, "resume", web), { status: 409, text: "web/a is not paused" });
  // Nobody keeps it, so nothing would bring it back.
  const refused = await send(server, "pause", { ...web, seconds: 60 });
  assertEquals(refused.status, 409);
  assertStringIncludes(refused.text, "nobody keeps it registered");
  await using _keeper = start(
    "service register --service-type db --service-name main --service-location h:2 --ttl 10 --refresh-every 3"
      .split(" "),
    connect(etcd),
  );
  await until("a kept one is there", () => view.services.get("db", "main") !== undefined);
  const timed = await send(server, "pause", { type: "db", name: "main", seconds: 60 });
  assertEquals(timed.text, '{"done":"paused db/main for 60 s"}');
  await registry.services.pause({ type: "web", name: undefined }, { reason: "", seconds: undefined });
  await until("its type is paused", () => state() !== undefined);
  const { status, text } = await send(server, "resume", web);
  assertEquals([status, text.includes("all of web is paused")], [409, true]);
  assertEquals(
    (await send(server, "toggle", { switch: "features/x" })).text,
    '{"done":"set the switch features/x to no"}',
  );
  await until("it is off", () => view.switches[0]?.value === "no");
  assertEquals((await send(server, "unregister", web)).status, 200);
  await until("it is gone", () => view.services.get("web", "a") === undefined);
  assertEquals((await send(server, "unregister", web)).status, 404);
  assertEquals(
    logged.filter((line) => line.includes("asked by 127.0.0.1")).map((line) => line.split(",")[0]),
    [
      "paused web/a until it is resumed",
      "resumed web/a",
      "refused a change",
      "refused a change",
      "paused db/main for 60 s",
      "refused a change",
      "set the switch features/x to no",
      "unregistered web/a",
      "refused a change",
    ],
  );
});

test("a change that comes from a foreign page, or is malformed, is refused and does nothing", async () => {
  await using etcd = await Etcd.start();
  await using server = await serving(etcd, { uiWrite: true });
  const { registry, view, port } = server;
  await registry.services.register({ ...web, location: "h:1" });
  await until("it is there", () => view.services.size === 1);
  for (
    const [status, headers] of [
      [403, { Origin: "" }],
      [403, { Origin: "null" }],
      [403, { Origin: "http://evil.example" }],
      [403, { Origin: `http://127.0.0.1:${port + 1}` }],
      [403, { "Sec-Fetch-Site": "cross-site" }],
      [403, { "Sec-Fetch-Site": "same-site" }],
      [403, { "Sec-Fetch-Site": "none" }],
      // A name that was made to point here.
      [403, { Host: `evil.example:${port}`, Origin: `http://evil.example:${port}` }],
      [403, { Host: "127.0.0.1.evil.example", Origin: "http://127.0.0.1.evil.example" }],
      [403, { Host: "a@127.0.0.1", Origin: "http://a@127.0.0.1" }],
      [403, { Host: "127.0.0.1/x", Origin: "http://127.0.0.1/x" }],
      [415, { "Content-Type": "text/plain" }],
      [415, { "Content-Type": "" }],
    ] as const
  ) {
    assertEquals([headers, (await send(server, "unregister", web, headers)).status], [headers, status]);
  }
  for (
    const [status, action, body] of [
      [400, "pause", "{"],
      [400, "pause", "[]"],
      [400, "pause", { type: "web" }],
      [400, "pause", { ...web, seconds: 0 }],
      [400, "pause", { ...web, seconds: "60" }],
      [400, "pause", { ...web, seconds: 1.5 }],
      [400, "pause", { ...web, reason: 7 }],
      [400, "pause", { ...web, reason: "two\nlines" }],
      [404, "pause", { type: "web", name: "../switch/x" }],
      [404, "unregister", { type: "web", name: "b" }],
      [404, "toggle", { switch: "none" }],
    ] as const
  ) {
    assertEquals([body, (await send(server, action, body)).status], [body, status]);
  }
  assertEquals(
    (await send(server, "pause", web, { Host: `localhost:${port}`, Origin: `http://localhost:${port}` }))
      .status,
    200,
  );
  const [refused, done] = ["refused a change, asked by 127.0.0.1: ", "paused web/a"];
  assertEquals(
    [refused, done].map((begin) => server.logged.filter((line) => line.startsWith(begin)).length),
    [24, 1],
  );
  // Behind what ends TLS for it, the server knows neither the scheme nor the port of the page.
  assertEquals(
    (await send(server, "resume", web, { Host: "localhost", Origin: "https://localhost" })).status,
    200,
  );
});

test("with tokens, any name of the server will do, and the log names the line of the token; without --ui-write nothing changes", async () => {
  await using etcd = await Etcd.start();
  const file = await Deno.makeTempFile();
  await Deno.writeTextFile(file, "# tokens\n0123456789abcdef\n\nfedcba9876543210\n");
  await using server = await serving(etcd, { uiWrite: true, tokenFile: file });
  const { registry, view, logged } = server;
  await registry.services.register({ ...web, location: "h:1" });
  await until("it is there", () => view.services.size === 1);
  const there = { Host: "empusa.example", Origin: "https://empusa.example" };
  const bearer = { Authorization: "Bearer fedcba9876543210" };
  assertEquals((await send(server, "pause", web, there)).status, 401);
  assertEquals(
    (await send(server, "pause", web, { ...there, ...bearer, Origin: "https://evil.example" })).status,
    403,
  );
  assertEquals((await send(server, "pause", web, { ...there, ...bearer })).status, 200);
  assertEquals(
    logged.at(-1),
    "paused web/a until it is resumed, asked by 127.0.0.1 with the token on line 4",
  );
  await Deno.remove(file);
  await using readOnly = await serving(etcd);
  assertEquals((await send(readOnly, "resume", web)).status, 404);
});
