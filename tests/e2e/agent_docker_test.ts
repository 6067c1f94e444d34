/** `empusa agent --docker` with a real daemon: what is registered is what runs, whatever ends or is killed meanwhile. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { Docker, missingDocker } from "../support/docker.ts";
import { Etcd } from "../support/etcd.ts";
import { testUnless } from "../support/lacking.ts";
import { pause } from "../support/pause.ts";
import { connect, empusa, start } from "../support/program.ts";

async function registered(etcd: Etcd): Promise<string> {
  const { kvs = [] } = JSON.parse(await etcd.etcdctl("get", "--prefix", "/foo/service/", "-w", "json"));
  return kvs.map(({ key, value }: { key: string; value: string }) =>
    `${atob(key).replace("/foo/service/", "")} ${atob(value)}`
  ).join();
}

async function until(etcd: Etcd, wanted: string): Promise<void> {
  for (const deadline = performance.now() + 15_000; performance.now() < deadline; await pause(50)) {
    if (await registered(etcd) === wanted) return;
  }
  assertEquals(await registered(etcd), wanted);
}

testUnless(
  missingDocker(),
  "containers are registered while they run, through the death of the agent",
  async () => {
    await using etcd = await Etcd.start();
    await using docker = await Docker.start({ hasNetwork: true });
    await docker.importTiny();
    const run = (name: string, port: number, ...labels: string[]): Promise<unknown> =>
      docker.do(
        ...["run", "--detach", "--stop-timeout=1", `--name=test-${name}`, `--publish=${port}:80`],
        ...labels.map((label) => `--label=${label}`),
        ...["tiny", "sleep", "1000"],
      );
    const args = ["agent", "--docker", docker.socket, "--docker-ip", "10.9.8.7", "--ttl", "5"];
    const named = (name: string): string => `empusa.name=${name}`;
    await run("a", 8081, "empusa.type=web", named("a"), "empusa.tags=v1");
    await run("bad", 8089, "empusa.ttl=never");
    {
      await using agent = start(args, connect(etcd));
      await until(etcd, "web/a 10.9.8.7:8081");
      await run("b", 8082, "empusa.type=web", named("b"));
      await until(etcd, "web/a 10.9.8.7:8081,web/b 10.9.8.7:8082");
      await docker.do("kill", "test-a");
      await until(etcd, "web/b 10.9.8.7:8082");
      await docker.do("pause", "test-b");
      await until(etcd, "");
      const { stdout } = await empusa(["service", "list", "--all", "--format", "jsonl"], connect(etcd));
      assertStringIncludes(stdout, '"reason":"paused"');
      await docker.do("unpause", "test-b");
      await agent.said("skipped container test-bad: label empusa.ttl must");
      await until(etcd, "web/b 10.9.8.7:8082");
      agent.signal("SIGKILL");
      await agent.outcome;
    }
    await docker.do("kill", "test-b");
    await run("c", 8083, "empusa.type=web", named("c"));
    // DOCKER_HOST says where the daemon is, if the option does not.
    await using agent = start(
      ["agent", "--docker", "--docker-ip", "10.9.8.7", "--ttl", "5"],
      { ...connect(etcd), DOCKER_HOST: `unix://${docker.socket}` },
    );
    await until(etcd, "web/c 10.9.8.7:8083");
    agent.signal("SIGTERM");
    assertEquals((await agent.outcome).code, 0);
    assertEquals(await registered(etcd), "");
  },
);

Deno.test("a daemon that empusa cannot use, and options without one, are usage errors", async () => {
  await using etcd = await Etcd.start();
  const rows: readonly (readonly [string[], string])[] = [
    [
      ["--services", "x", "--docker-explicit"],
      "--docker-explicit (EMPUSA_DOCKER_EXPLICIT) needs --docker (EMPUSA_DOCKER) too",
    ],
    [["--docker", "ssh://host"], "--docker (EMPUSA_DOCKER) must name no SSH host"],
    [["--docker", "--docker-network", "x"], "--docker-network (EMPUSA_DOCKER_NETWORK) needs --docker-ip"],
  ];
  for (const [args, message] of rows) {
    const { code, stderr } = await empusa(["agent", ...args], connect(etcd));
    assertEquals(code, 2);
    assertStringIncludes(stderr, message);
  }
});
