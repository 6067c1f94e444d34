/** The source with a real daemon. `deno task docker-churn` has more containers come and go. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { dockerSource } from "../../../../src/agent/sources/docker/mod.ts";
import { Docker, missingDocker } from "../../../support/docker.ts";
import { churn } from "../../../support/docker_churn.ts";
import { testUnless } from "../../../support/lacking.ts";
import { until } from "../../../support/pause.ts";
import { freePorts } from "../../../support/ports.ts";
import { Proxy } from "../../../support/proxy.ts";
import { RecordedSource } from "../../../support/recorded_source.ts";
import { rounds } from "../../../support/rounds.ts";

async function names(source: RecordedSource, ...expected: string[]): Promise<void> {
  await until("", () => source.updates.length > 0 && `${source.named}` === `${expected.sort()}`)
    .catch(() => assertEquals(source.named, expected.sort()));
}

/** How a container becomes healthy and unhealthy: by a file. */
const healthy = [
  ...["--health-cmd=test -e /ok || { echo 'no /ok'; echo more; false; }", "--health-interval=200ms"],
  ...["--health-retries=1", "--health-timeout=5s"],
];
/** It takes its time to end, as a service does that finishes its requests, and is healthy meanwhile. */
const lingers = "trap 'sleep 1; exit' TERM; : >/ok; while :; do sleep 0.1; done";
const plain = ["--detach", "--stop-timeout=1"];
const tiny = ["tiny", "sleep", "1000"];

const web = "web/{hostname}:web:80@{ip}:8080";
const labelled = "plain/labelled@{ip}:8082";

/** The containers of the test: one of Registrator's conventions, one with labels of ours, and one on loopback. */
async function runContainers(docker: Docker): Promise<void> {
  await Promise.all([
    docker.do(
      ...["run", ...plain, ...healthy, "--name=web", "--publish=8080:80", "--publish=127.0.0.1:8081:81"],
      ...[
        "--env=SERVICE_NAME=web",
        "--env=SERVICE_TAGS=a",
        "--label=SERVICE_ZONE=eu",
        "tiny",
        "sh",
        "-c",
        lingers,
      ],
    ),
    docker.do(
      ...["run", ...plain, "--name=labelled", "--publish=8082:80", "--publish=8083:443"],
      ...["--label=empusa.type=plain", "--label=empusa.name={container}", "--label=empusa.port=80", ...tiny],
    ),
    docker.do("run", ...plain, "--name=local", "--publish=127.0.0.1:8084:80", ...tiny),
  ]);
}

/** Looks at what a source names while `docker ARGS` runs and for a while after it. */
async function seenDuring(source: RecordedSource, work: () => Promise<unknown>): Promise<string[]> {
  const before = source.updates.length;
  await work();
  return source.updates.slice(before).map((services) => services.map(({ origin }) => origin).join());
}

testUnless(
  missingDocker(),
  "the source names the containers of a daemon through all that happens to them",
  async (t) => {
    await using docker = await Docker.start({ hasNetwork: true, config: { "live-restore": true } });
    await docker.importTiny();
    const options = { socket: { path: docker.socket }, explicit: false, ip: "host" };
    // Only events tell in time.
    await using source = new RecordedSource(dockerSource(options, { every: 600_000, longestPause: 200 }));
    await runContainers(docker);

    await t.step("published ports by labels and variables, and none on loopback", async () => {
      await names(source, web, labelled);
      const [{ definition, origin } = { definition: undefined, origin: "" }] = source.updates.at(-1)
        ?.filter(({ definition: { type } }) => type === "web") ?? [];
      assertEquals([definition?.tags, definition?.meta, origin], [["a"], { zone: "eu" }, "container web"]);
    });

    await t.step("a container whose HEALTHCHECK fails is out of use, and comes back", async () => {
      await docker.do("exec", "web", "rm", "/ok");
      await names(source, `${web} unhealthy: no /ok`, labelled);
      await docker.do("exec", "web", "sh", "-c", ": >/ok");
      await names(source, web, labelled);
    });

    await t.step("a paused container is out of use", async () => {
      await docker.do("pause", "labelled");
      await names(source, web, `${labelled} paused`);
      await docker.do("unpause", "labelled");
      await names(source, web, labelled);
    });

    await t.step("a renamed container has another name", async () => {
      await docker.do("rename", "labelled", "other");
      await names(source, web, "plain/other@{ip}:8082");
      await docker.do("rename", "other", "labelled");
      await names(source, web, labelled);
    });

    await t.step("SIGHUP changes nothing, and SIGTERM takes out at once and for good", async () => {
      await docker.do("kill", "--signal=HUP", "labelled");
      const seen = await seenDuring(source, async () => {
        await docker.do("kill", "--signal=TERM", "web");
        await names(source, labelled);
        assertMatch(await docker.do("inspect", "--format={{.State.Status}}", "web"), /running/);
        await docker.do("wait", "web");
      });
      assertEquals(seen, ["container labelled"]);
      await docker.do("start", "web");
      await names(source, web, labelled);
    });

    await t.step("a container's own address is that of the network it joins", async () => {
      await docker.do("network", "create", "--subnet=10.99.0.0/24", "back");
      const inside = { ...options, ip: "container", network: "back", explicit: true };
      await using other = new RecordedSource(dockerSource(inside));
      await names(other);
      await docker.do("network", "connect", "--ip=10.99.0.7", "back", "labelled");
      await names(other, "plain/labelled@10.99.0.7:80");
      await docker.do("network", "disconnect", "back", "labelled");
      await names(other);
    });

    await t.step(
      "a daemon with live-restore that is killed: containers stay, and one that ended meanwhile is gone",
      async () => {
        const pid = await docker.do("inspect", "--format={{.State.Pid}}", "labelled");
        await docker.signal("SIGKILL");
        await until("the warning", () => source.reports.length > 0);
        assertMatch(
          source.reports[0] ?? "",
          /^warn: cannot follow Docker at unix:.*: .*, and keeps the 2 services/,
        );
        await docker.kill(pid, "SIGKILL");
        const seen = await seenDuring(source, async () => {
          await docker.startDaemon();
          await names(source, web);
        });
        assertEquals(seen, ["container web"]);
      },
    );

    await t.step("a daemon without live-restore that is killed: nothing is left", async () => {
      await docker.configure({});
      await docker.signal("SIGKILL");
      assertEquals(source.named, [web]);
      await docker.startDaemon();
      await names(source);
      await docker.do("start", "web");
      await names(source, web);
      await docker.do("stop", "web");
      await names(source);
    });
  },
);

testUnless(
  missingDocker(),
  "over TCP, a stream of events that has died silently and a frozen daemon are noticed",
  async () => {
    const [port = 0] = freePorts(1);
    await using docker = await Docker.start({ port });
    await docker.importTiny();
    const run = (name: string, port: number): Promise<string> =>
      docker.do("run", ...plain, `--name=${name}`, "--network=host", `--expose=${port}`, ...tiny);
    using proxy = new Proxy(`127.0.0.1:${port}`);
    const socket = { hostname: "127.0.0.1", port: Number(proxy.endpoint.split(":")[1]) };
    const pace = { every: 100, deadline: 1000, longestPause: 200 };
    await using source = new RecordedSource(dockerSource({ socket, explicit: false, ip: "host" }, pace));
    await run("one", 81);
    const [one, two] = ["tiny/{hostname}:one:81@{ip}:81", "tiny/{hostname}:two:82@{ip}:82"];
    await names(source, one);

    // If a list is on its way then, its silence ends the stream, and the next stream is to die.
    let told: string | undefined;
    while (told?.includes("do not arrive") !== true) {
      if (told !== undefined) {
        await docker.do("rm", "--force", "two");
        await names(source, one);
      }
      const before = source.reports.length;
      proxy.swallow();
      await run("two", 82);
      await until("the stream is found dead", () => source.reports.length > before);
      told = source.reports[before];
      await until("it is opened anew", () => source.reports.at(-1)?.startsWith("info: ") === true);
      await names(source, one, two);
    }

    await docker.signal("SIGSTOP");
    await until("the warning", () => source.reports.at(-1)?.includes("does not answer within 1 s") === true);
    assertEquals(source.named, [one, two]);
    await docker.signal("SIGCONT");
    await docker.do("kill", "one");
    await names(source, two);
    await until("the message", () => source.reports.at(-1)?.startsWith("info: ") === true);
  },
);

testUnless(missingDocker(), "containers that come and go at random are named while they run", async () => {
  await using docker = await Docker.start({ hasNetwork: true });
  await docker.importTiny();
  const size = { containers: rounds(6, 30), rounds: rounds(2, 5) };
  assert(await churn(docker, 1, size) > size.containers);
});
