/** The unit of docs/deploy.md under a real systemd. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { Etcd } from "../support/etcd.ts";
import { testUnless } from "../support/lacking.ts";
import { until } from "../support/pause.ts";
import { program } from "../support/program.ts";
import { projectFile } from "../support/project.ts";
import { missingSystemd, Systemd } from "../support/systemd.ts";

const key = "/prod/service/web/a";

/** The unit for `service run` as docs/deploy.md has it, with the endpoint and the port of this test. */
async function documented(etcd: Etcd, port: number, options = ""): Promise<string> {
  const page = await Deno.readTextFile(projectFile("docs/deploy.md"));
  const [, unit = ""] = /```ini\n([^`]*service run[^`]*)```/.exec(page) ?? [];
  const replaced = [
    ["etcd-1:2379,etcd-2:2379", etcd.endpoint],
    ["http://localhost/health", `http://127.0.0.1:${port}/health`],
    ["--drain 5", `--drain 0.2 --service-name a ${options}`],
  ] as const;
  for (const [text] of replaced) assertStringIncludes(unit, text);
  return replaced.reduce((unit, [from, to]) => unit.replace(from, to), unit);
}

/** The variables that the program needs to run from source, and what it says, in a file. */
function surroundings(): string {
  const variables = ["PATH", "HOME", "DENO_DIR", "EMPUSA_PACKAGES"].map((name) => [name, Deno.env.get(name)]);
  const set = variables.filter(([, value]) => value !== undefined).map(([name, value]) =>
    `"${name}=${value}"`
  );
  return `[Unit]\nDefaultDependencies=no\n[Service]\nEnvironment=${
    set.join(" ")
  }\nStandardError=append:/run/said\n`;
}

testUnless(await missingSystemd(), "the documented unit under a real systemd", async (t) => {
  await using etcd = await Etcd.start();
  await using health = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => new Response(),
  );
  await using systemd = await Systemd.start();
  await systemd.write("/usr/local/bin/empusa", `#!/bin/sh\nexec ${program} "$@"\n`);
  await systemd.write("/usr/bin/server", "#!/bin/sh\nexec sleep 1000\n");
  await systemd.write("/etc/systemd/system/web.service.d/here.conf", surroundings());
  // What nothing refers to is forgotten as soon as it has stopped.
  await systemd.write("/etc/systemd/system/empusa-test.target.d/keep.conf", "[Unit]\nWants=web.service\n");
  const state = (): Promise<string> =>
    systemd.systemctl("show", "web", "--property=ActiveState,Result,NRestarts,ExecMainStatus");
  const start = async (options = ""): Promise<void> => {
    // What was killed has left it.
    await etcd.etcdctl("del", key);
    await systemd.addUnit("web.service", await documented(etcd, health.addr.port, options));
    await systemd.systemctl("reset-failed", "web");
    await systemd.systemctl("start", "web");
    await until(
      `registered: ${await state()} ${await systemd.read("/run/said")}`,
      async () => (await etcd.etcdctl("get", key)) !== "",
    );
  };

  await t.step("systemctl stop ends as inactive, with nothing left", async () => {
    await start();
    assertEquals(await systemd.systemctl("is-active", "web"), "active");
    await systemd.systemctl("stop", "web");
    assertEquals(await state(), "Result=success\nNRestarts=0\nExecMainStatus=143\nActiveState=inactive");
    assertEquals(await etcd.etcdctl("get", key), "");
  });

  await t.step("a command that dies by itself is started again", async () => {
    await start();
    await systemd.systemctl("kill", "--signal=KILL", "--kill-who=main", "web");
    await until("started again", async () => (await state()).includes("NRestarts=1"));
    await systemd.systemctl("stop", "web");
  });

  await t.step("with --on-lost stop, whoever takes the name over keeps it", async () => {
    await start("--on-lost stop");
    await etcd.etcdctl("put", key, "other:1");
    await until("it has ended", async () => (await state()).includes("ActiveState=failed"));
    assertEquals(await state(), "Result=exit-code\nNRestarts=0\nExecMainStatus=5\nActiveState=failed");
    assertEquals(await etcd.etcdctl("get", key), `${key}\nother:1\n`);
  });
});
