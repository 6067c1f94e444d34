/** `empusa agent` as a process: signals, the service manager, its table, and its end. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Etcd } from "../support/etcd.ts";
import { revisionOf } from "../support/kept_session.ts";
import { NotifySocket } from "../support/notify_socket.ts";
import { pause } from "../support/pause.ts";
import { connect, empusa, type Env, type Running, start } from "../support/program.ts";

/** A folder of definitions beside an etcd. */
class Host implements AsyncDisposable {
  readonly etcd: Etcd;
  readonly folder = Deno.makeTempDirSync();

  private constructor(etcd: Etcd) {
    this.etcd = etcd;
  }

  static async start(...names: string[]): Promise<Host> {
    const host = new Host(await Etcd.start());
    await host.define(...names);
    return host;
  }

  async define(...names: string[]): Promise<void> {
    const services = names.map((name) => ({ type: "web", name, location: `${name}:1` }));
    await Deno.writeTextFile(`${this.folder}/web.json`, JSON.stringify({ services }));
  }

  agent(args: readonly string[] = [], env: Env = {}): Running {
    const ttl = args.includes("--ttl") ? [] : ["--ttl", "5"];
    return start(["agent", "--services", this.folder, ...ttl, ...args], {
      ...connect(this.etcd),
      ...env,
    });
  }

  async names(): Promise<string> {
    const keys = await this.etcd.etcdctl("get", "--prefix", "--keys-only", "/foo/service/");
    return keys.trim().split(/\n+/).map((key) => key.replace("/foo/service/web/", "")).join();
  }

  async until(names: string): Promise<void> {
    for (const deadline = performance.now() + 15_000; performance.now() < deadline; await pause(50)) {
      if (await this.names() === names) return;
    }
    throw new Error(`never ${names}, but ${await this.names()}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.etcd[Symbol.asyncDispose]();
    await Deno.remove(this.folder, { recursive: true });
  }
}

Deno.test("the agent tells the service manager when it is ready, reloads on SIGHUP, and ends with 0 on SIGTERM", async () => {
  await using host = await Host.start("a", "b");
  const folder = await Deno.makeTempDir();
  using socket = new NotifySocket(`${folder}/notify`);
  await using agent = host.agent([], { NOTIFY_SOCKET: socket.name });
  await socket.got("READY=1\nSTATUS=2 services: 2 registered");
  assertEquals(await host.names(), "a,b");
  const before = await revisionOf(host.etcd);
  await host.define("a", "c");
  agent.signal("SIGHUP");
  await socket.got("RELOADING=1");
  await host.until("a,c");
  await socket.got("STATUS=2 services: 2 registered");
  assertEquals(await revisionOf(host.etcd), before + 2);
  agent.signal("SIGUSR1");
  await agent.printed("web/c");
  // What is broken is told, and nothing goes; the manager hears that the reload is over all the same.
  await Deno.writeTextFile(`${host.folder}/broken.yaml`, "services: 3\n");
  socket.received.length = 0;
  agent.signal("SIGHUP");
  await agent.said("keeps the last good definitions");
  await socket.got("last good definitions");
  assertMatch(
    socket.received.join("\n"),
    /RELOADING=1(.|\n)*READY=1\nSTATUS=2 services: 2 registered; 1 mistake in .*last good/,
  );
  agent.signal("SIGTERM");
  const { code, stdout, stderr } = await agent.outcome;
  assertEquals([code, await host.names()], [0, ""]);
  assertMatch(
    stdout,
    /^SERVICE\tLOCATION\tSTATE\tSINCE\tTTL\tSOURCE\tWHY\nweb\/a\ta:1\tregistered\t\S+Z\t5s\t\S+: services\[0\]\t-\n/,
  );
  assertStringIncludes(stderr, "unregistered web/a");
  await socket.got("STOPPING=1");
  assertEquals(await host.etcd.etcdctl("lease", "list"), "found 0 leases\n");
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a reload is over within --timeout, though a source is away", async () => {
  await using host = await Host.start("a");
  using socket = new NotifySocket("@empusa-agent-reload");
  await using agent = host.agent(["--docker", "/none/docker.sock", "--timeout", "1"], {
    NOTIFY_SOCKET: socket.name,
  });
  await socket.got("READY=1");
  socket.received.length = 0;
  agent.signal("SIGHUP");
  await socket.got("RELOADING=1");
  await socket.got("READY=1");
  agent.signal("SIGTERM");
  assertEquals((await agent.outcome).code, 0);
});

Deno.test("what a killed agent kept is gone within its TTL, or kept by the next one without a gap", async () => {
  await using host = await Host.start("a", "b");
  {
    await using agent = host.agent();
    await host.until("a,b");
    agent.signal("SIGKILL");
    await agent.outcome;
  }
  await host.define("b");
  await using next = host.agent();
  await next.said("registered web/b");
  const began = performance.now();
  await host.until("b");
  assert(performance.now() - began < 6000);
  next.signal("SIGKILL");
  await next.outcome;
  await host.until("");
});

Deno.test("--keep-on-exit hands everything over to the next agent, which writes nothing", async () => {
  await using host = await Host.start("a", "b");
  {
    await using agent = host.agent(["--keep-on-exit", "--ttl", "9"]);
    await host.until("a,b");
    agent.signal("SIGTERM");
    const { code, stderr } = await agent.outcome;
    assertEquals(code, 0);
    assertStringIncludes(stderr, "2 services stay registered for at most 9 s");
  }
  const before = await revisionOf(host.etcd);
  await using next = host.agent(["--ttl", "9"]);
  await next.said("registered web/b");
  await pause(9000);
  assertEquals(await host.names(), "a,b");
  // It took the record, and nothing else.
  assertEquals(await revisionOf(host.etcd), before + 1);
});

Deno.test("--check says what is wrong with the definitions, or how many there are", async () => {
  await using host = await Host.start("a");
  const check = () => empusa(["agent", "--services", host.folder, "--check"], connect(host.etcd));
  const good = await check();
  assertEquals([good.code, good.stderr], [0, "empusa: the definitions are in order: 1 service\n"]);
  await Deno.writeTextFile(
    `${host.folder}/more.yaml`,
    "services:\n- { type: web, name: x, location: here, checks: [{ tcp: location }] }\n",
  );
  const wrong = await check();
  assertEquals(wrong.code, 2);
  assertStringIncludes(
    wrong.stderr,
    "more.yaml: services[0].checks[0].tcp can be location only for a service",
  );
  await Deno.writeTextFile(
    `${host.folder}/more.yaml`,
    "services:\n- { type: web, name: a, location: 'h:2' }\n",
  );
  const twice = await check();
  assertEquals(twice.code, 2);
  assertStringIncludes(twice.stderr, "services[0] is web/a again");
  assertEquals(await host.names(), "");
});

Deno.test("an agent without a source, or with one that cannot be read, exits with 2", async () => {
  await using host = await Host.start("a");
  const none = await empusa(["agent"], connect(host.etcd));
  assertEquals([none.code, none.stderr.split("\n")[0]], [
    2,
    "empusa: missing --services (EMPUSA_AGENT_SERVICES) or --docker (EMPUSA_DOCKER)",
  ]);
  const stdin = await empusa(["agent", "--services", "-"], connect(host.etcd));
  assertEquals(stdin.code, 2);
  const absent = await empusa(["agent", "--services", `${host.folder}/none`], connect(host.etcd));
  assertEquals(absent.code, 2);
  assertStringIncludes(absent.stderr, "cannot read");
});
