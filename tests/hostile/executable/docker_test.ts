/** The Dockerfile, built by the daemon's classic builder and by BuildKit, and run. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { Docker, missingDocker, type Ran } from "../../support/docker.ts";
import { Etcd } from "../../support/etcd.ts";
import { testUnless } from "../../support/lacking.ts";
import { program } from "../../support/program.ts";
import { projectFile } from "../../support/project.ts";

const base = "debian:stable-slim";

/** A folder to build in: the files of the project that Docker reads, and the executable among other results. */
async function buildFolder(): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "empusa-test-image-" });
  const made = `${folder}/dist/empusa-0.0.0-x86_64-unknown-linux-gnu`;
  await Deno.mkdir(made, { recursive: true });
  for (const file of ["Dockerfile", ".dockerignore"]) {
    await Deno.copyFile(projectFile(file), `${folder}/${file}`);
  }
  await Deno.copyFile(program, `${made}/empusa`);
  await Deno.writeTextFile(`${made}.tar.gz`, "an archive");
  await Deno.mkdir(`${folder}/src`);
  return folder;
}

/** Imports an image that stands in for Debian's, which no registry gives here: the libraries that the executable needs. */
async function importBase(docker: Docker, folder: string): Promise<void> {
  const script =
    `ldd "$0" | sed -n 's/.*[ \\t]\\(\\/[^ ]*\\) (0x.*/\\1/p' | tar --create --dereference --files-from=- --file=- 2>"$1"/tar.log >"$1"/base.tar`;
  const tar = await new Deno.Command("bash", { args: ["-c", script, program, folder] }).output();
  assertEquals(tar.code, 0);
  const { code, stderr } = await docker.run(["import", `${folder}/base.tar`, base]);
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  await Deno.remove(`${folder}/base.tar`);
}

testUnless(
  missingDocker(),
  "the Dockerfile is built with and without BuildKit, and its image works",
  async (t) => {
    await using etcd = await Etcd.start();
    await using docker = await Docker.start();
    const folder = await buildFolder();
    await importBase(docker, folder);
    const run = (...args: string[]): Promise<Ran> =>
      docker.run(["run", "--rm", "--read-only", "--network=host", "empusa", ...args]);

    const buildAndRun = async (buildKit: string): Promise<void> => {
      const build = ["build", "--quiet", "--network=none", "--tag=empusa", folder];
      const built = await docker.run(build, { DOCKER_BUILDKIT: buildKit });
      assert(built.code === 0, built.stderr);
      // Nothing that its children would inherit, such as a TMPDIR.
      const config = await docker.run(["inspect", "--format={{.Config.Env}} {{.Config.User}}", "empusa"]);
      assertMatch(config.stdout, /^\[(PATH=\S*)?\] 65532:65532\n$/);

      assertMatch((await run("--version")).stdout, /^empusa \d/);
      const to = ["--etcd-endpoint", etcd.endpoint, "--tree-root", "/foo"];
      const web = ["--service-type", "web", "--service-name", "a", "--service-location", "h:1"];
      const registered = await run(...to, "service", "register", ...web);
      assertEquals(registered, { code: 0, stdout: "", stderr: "empusa: registered web/a at h:1, no TTL\n" });
      const got = await run(...to, "service", "list", "--format", "plain");
      assertEquals(got, { code: 0, stdout: "h:1\n", stderr: "" });
    };
    await t.step("the classic builder", () => buildAndRun("0"));
    const ignore = !await docker.hasBuildKit();
    const name = ignore ? "BuildKit (skipped: no docker-buildx)" : "BuildKit";
    await t.step({ name, ignore, fn: () => buildAndRun("1") });
    await Deno.remove(folder, { recursive: true });
  },
);
