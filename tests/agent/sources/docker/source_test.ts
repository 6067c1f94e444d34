/** The source, with a daemon that fails in ways in which a real one does not fail on request. */
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { dockerSource } from "../../../../src/agent/sources/docker/mod.ts";
import { UsageError } from "../../../../src/errors.ts";
import type { DockerSocket } from "../../../../src/agent/sources/docker/options.ts";
import { idOf, inspection } from "../../../support/docker_answers.ts";
import { testUnless } from "../../../support/lacking.ts";
import { until } from "../../../support/pause.ts";
import { freePorts } from "../../../support/ports.ts";
import { Proxy } from "../../../support/proxy.ts";
import { RecordedSource } from "../../../support/recorded_source.ts";
import { ScriptedDocker } from "../../../support/scripted_docker.ts";

const published = { "80/tcp": ["0.0.0.0:8080"] };
const a = { id: "a", name: "a", published };
const b = { id: "b", name: "b", published: { "80/tcp": ["0.0.0.0:8081"] } };
const [inA, inB] = ["nginx/{hostname}:a:80@{ip}:8080", "nginx/{hostname}:b:80@{ip}:8081"];

function follow(socket: DockerSocket, every = 60_000): RecordedSource {
  const options = { socket, explicit: false, ip: "host" };
  return new RecordedSource(dockerSource(options, { every, deadline: 500, longestPause: 50 }));
}

async function names(source: RecordedSource, ...expected: string[]): Promise<void> {
  await until(
    `the source names ${expected.join()}`,
    () => `${source.named}` === `${expected}` && source.updates.length > 0,
  )
    .catch(() => assertEquals(source.named, expected));
}

Deno.test("the first update has all containers", async () => {
  await using daemon = new ScriptedDocker();
  daemon.containers = Array.from({ length: 50 }, (_, i) => ({ ...a, id: `${i + 1}`, name: `c${i}` }));
  await using source = follow(daemon.socket);
  await until("the first update", () => source.updates.length > 0);
  assertEquals(source.updates.map(({ length }) => length), [50]);
});

Deno.test("the first update has all containers, even if an event comes before the first list", async () => {
  await using daemon = new ScriptedDocker();
  daemon.containers = [a, b];
  const { promise, resolve } = Promise.withResolvers<void>();
  const list = [a, b].map(({ id }) => ({ Id: idOf(id) }));
  daemon.answers.set("/containers/json", () => promise.then(() => Response.json(list)));
  await using source = follow(daemon.socket);
  await until("the list", () => daemon.asked.includes("/v1.44/containers/json"));
  daemon.tell("start", idOf("a"));
  await until("the inspection", () => daemon.asked.includes(`/v1.44/containers/${idOf("a")}/json`));
  resolve();
  await names(source, inA, inB);
  assertEquals(source.updates.length, 1);
});

Deno.test("what happens during an inspection is inspected once more", async () => {
  await using daemon = new ScriptedDocker();
  daemon.containers = [a];
  await using source = follow(daemon.socket);
  await names(source, inA);
  const path = `/containers/${idOf("a")}/json`;
  const { promise, resolve } = Promise.withResolvers<Response>();
  daemon.answers.set(path, () => promise);
  const before = daemon.asked.length;
  daemon.tell("pause", idOf("a"));
  await until("the inspection", () => daemon.asked.length > before);
  daemon.tell("rename", idOf("a"));
  daemon.tell("start", idOf("b"));
  await until("the other inspection", () => daemon.asked.length > before + 1);
  daemon.answers.delete(path);
  daemon.containers = [{ ...a, state: { Paused: true } }];
  resolve(Response.json(inspection(a)));
  await names(source, `${inA} paused`);
});

Deno.test("a source whose daemon is away at the start says so once, and names nothing until there is one", async () => {
  const [port = 0] = freePorts(1);
  await using source = follow({ hostname: "127.0.0.1", port });
  await until("the warning", () => source.reports.length === 1);
  const warning =
    `warn: cannot follow Docker at tcp://127.0.0.1:${port}: connection refused; empusa tries again`;
  assertEquals(source.reports, [warning]);
  await new Promise((resolve) => setTimeout(resolve, 300));
  // What a former agent has registered may run: nothing is known of it.
  assertEquals(source.updates, []);
  await using daemon = new ScriptedDocker(port);
  daemon.containers = [a];
  await names(source, inA);
  await until("the message", () => source.reports.length > 1);
  assertEquals(source.reports, [
    warning,
    `info: connected to Docker 29.0.0 at tcp://127.0.0.1:${port} again`,
  ]);
});

Deno.test("a source keeps what it knows while its daemon is away, and corrects it afterwards", async () => {
  await using daemon = new ScriptedDocker();
  daemon.containers = [a];
  const { hostname, port } = daemon.socket;
  using proxy = new Proxy(`${hostname}:${port}`);
  await using source = follow({ hostname, port: Number(proxy.endpoint.split(":")[1]) });
  await names(source, inA);
  proxy.cut();
  await until("the warning", () => source.reports.some((report) => report.includes("keeps the service")));
  daemon.containers = [b];
  assertEquals(source.named, [inA]);
  proxy.open();
  await names(source, inB);
});

Deno.test("an event that does not arrive is made up for by the next list, and the stream is opened anew", async () => {
  await using daemon = new ScriptedDocker();
  daemon.containers = [a];
  await using source = follow(daemon.socket, 100);
  await names(source, inA);
  daemon.containers = [b];
  await names(source, inB);
  const streams = (): number => daemon.asked.filter((path) => path.endsWith("/events")).length;
  await until("another stream", () => streams() === 2);
  assertMatch(
    source.reports.at(0) ?? "",
    /: its events do not arrive; empusa tries again, and keeps the service/,
  );
  daemon.containers = [a, b];
  daemon.tell("start", idOf("a"));
  await names(source, inA, inB);
  await new Promise((resolve) => setTimeout(resolve, 1500));
  assertEquals(streams(), 2);
});

Deno.test("a kill takes out at once, before any inspection", async () => {
  await using daemon = new ScriptedDocker();
  daemon.containers = [a, b];
  await using source = follow(daemon.socket);
  await names(source, inA, inB);
  const { promise, resolve } = Promise.withResolvers<Response>();
  daemon.answers.set(`/containers/${idOf("a")}/json`, () => promise);
  daemon.tell("kill", idOf("a"), { signal: "15" });
  await names(source, inB);
  resolve(new Response("{}"));
});

Deno.test("a container whose inspection hangs or fails keeps no other waiting, and is tried again", async () => {
  await using daemon = new ScriptedDocker();
  daemon.containers = [a, b];
  const { promise, resolve } = Promise.withResolvers<Response>();
  const path = `/containers/${idOf("a")}/json`;
  daemon.answers.set(path, () => promise);
  await using source = follow(daemon.socket, 300);
  await names(source, inB);
  const about = `warn: cannot inspect container ${idOf("a").slice(0, 12)}: it does not answer within 0.5 s`;
  assertEquals(source.reports, [about]);
  daemon.answers.set(path, () => Response.json({ message: "broken" }, { status: 500 }));
  await until("the next failure", () => source.reports.length === 2);
  daemon.answers.delete(path);
  await names(source, inA, inB);
  resolve(new Response());
  const streams = daemon.asked.filter((path) => path.endsWith("/events")).length;
  assertEquals(streams, 1);
});

Deno.test("a mistake of a container is told once, however often it starts", async () => {
  await using daemon = new ScriptedDocker();
  const broken = { ...b, labels: { "empusa.ttl": "soon" } };
  daemon.containers = [a, broken];
  await using source = follow(daemon.socket);
  await names(source, inA);
  for (let i = 2; i < 5; i++) {
    daemon.containers = [a, { ...broken, startedAt: `2026-01-01T00:00:0${i}Z` }];
    const before = daemon.asked.length;
    daemon.tell("start", idOf("b"));
    await until("the inspection", () => daemon.asked.length > before);
  }
  daemon.containers = [a, b];
  daemon.tell("start", idOf("b"));
  await names(source, inA, inB);
  assertEquals(source.reports.length, 1);
});

Deno.test("a reload has a container count again that ignored a signal", async () => {
  await using daemon = new ScriptedDocker();
  daemon.containers = [a];
  await using source = follow(daemon.socket);
  await names(source, inA);
  daemon.tell("kill", idOf("a"), { signal: "15" });
  await names(source);
  source.source.reload();
  await names(source, inA);
});

Deno.test("an update comes only if something has changed", async () => {
  await using daemon = new ScriptedDocker();
  daemon.containers = [a];
  await using source = follow(daemon.socket);
  await names(source, inA);
  daemon.tell("exec_die", idOf("a"));
  daemon.tell("health_status: healthy", idOf("a"));
  const inspections = (): number => daemon.asked.filter((path) => path.includes(idOf("a"))).length;
  await until("an inspection", () => inspections() >= 2);
  daemon.containers = [a, b];
  daemon.tell("start", idOf("b"));
  await names(source, inA, inB);
  assertEquals(source.updates.map(({ length }) => length), [1, 2]);
});

/** The user "nobody". */
const nobody = 65_534;

testUnless(
  Deno.uid() === 0 && Deno.build.os === "linux" ? undefined : "no root, for a socket of another user",
  "a socket that belongs to others ends the start with advice",
  async () => {
    const folder = await Deno.makeTempDir({ prefix: "empusa-test-socket-" });
    const path = `${folder}/docker.sock`;
    await Deno.chmod(folder, 0o755);
    using _ = Deno.listen({ transport: "unix", path });
    await Deno.chmod(path, 0o600);
    const libc = Deno.dlopen("libc.so.6", { setfsuid: { parameters: ["u32"], result: "i32" } });
    libc.symbols.setfsuid(nobody);
    try {
      const { ended } = new RecordedSource(dockerSource({ socket: { path }, explicit: false, ip: "host" }));
      await assertRejects(
        () => ended,
        UsageError,
        `cannot use Docker at unix://${path}: permission denied; run as`,
      );
    } finally {
      libc.symbols.setfsuid(0);
      libc.close();
      await Deno.remove(folder, { recursive: true });
    }
  },
);
