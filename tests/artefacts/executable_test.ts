/** The executable where there is nothing else: a folder with it and its libraries, read-only, as nobody. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Etcd } from "../support/etcd.ts";
import { connect, launch, type Outcome, program, type Running, signalFirst } from "../support/program.ts";
import { projectFile } from "../support/project.ts";

/** A folder that is a root file system with the executable and what ldd(1) names. */
async function bareRoot(): Promise<string> {
  const root = await Deno.makeTempDir();
  const { stdout } = await new Deno.Command("ldd", { args: [program] }).output();
  const libraries = [...new TextDecoder().decode(stdout).matchAll(/(\/\S+) \(0x/g)].map(([, path]) =>
    path as string
  );
  assert(libraries.length > 2, "ldd names libraries");
  for (const path of [...libraries, program]) {
    const place = `${root}${path === program ? "/empusa" : path}`;
    await Deno.mkdir(place.replace(/\/[^/]*$/, ""), { recursive: true });
    await Deno.copyFile(path, place);
  }
  await Deno.mkdir(`${root}/proc`);
  await Deno.chmod(root, 0o755);
  return root;
}

/** Starts `empusa ARGS` there, without any variable. */
function startInside(root: string, args: readonly string[]): Running {
  // Mounted anew to be read-only, with the processes of its own namespace.
  const script = `root=$1; shift
    mount --bind -o ro "$root" "$root" && mount -o remount,bind,ro "$root" && mount -t proc proc "$root/proc" &&
    exec env -i /usr/sbin/chroot --userspec=65532:65532 "$root" /empusa "$@"`;
  const command = ["--mount", "--pid", "--fork", "bash", "-c", script, "bash", root, ...args];
  return launch(["unshare", ...command], {});
}

async function inside(root: string, args: readonly string[]): Promise<Omit<Outcome, "took">> {
  await using running = startInside(root, args);
  const { code, stdout, stderr } = await running.outcome;
  return { code, stdout, stderr };
}

Deno.test("it works where there is nothing else, read-only, as uid 65532, without any variable", async () => {
  await using etcd = await Etcd.start();
  const root = await bareRoot();
  const to = ["--etcd-endpoint", etcd.endpoint, "--tree-root", "/foo"];
  const web = ["--service-type", "web", "--service-name", "a", "--service-location", "h:1"];
  assertEquals(await inside(root, [...to, "service", "register", ...web, "--ttl", "60"]), {
    code: 0,
    stdout: "",
    stderr: "empusa: registered web/a at h:1, TTL 60 s\n",
  });
  const list = await inside(root, [...to, "service", "list", "--format", "plain"]);
  assertEquals(list, { code: 0, stdout: "h:1\n", stderr: "" });
  await using watching = startInside(root, [...to, "service", "watch"]);
  await watching.printed("\n");
  await signalFirst(watching, "SIGTERM");
  const watch = await watching.outcome;
  assertEquals([watch.code, watch.stderr], [0, ""]);
  assertEquals(JSON.parse(watch.stdout).event, "snapshot");
  const other = ["--service-type", "web", "--service-location", "{ip}:80"];
  await using running = startInside(root, [
    ...to,
    "service",
    "run",
    ...other,
    "--",
    "/empusa",
    ...to,
    "service",
    "watch",
    "--format",
    "table",
  ]);
  await running.printed("127.0.0.1:80");
  await signalFirst(running, "SIGTERM");
  const run = await running.outcome;
  assertEquals(run.code, 0);
  assertStringIncludes(run.stderr, "empusa: unregistered web/");
  await Deno.remove(root, { recursive: true });
});

Deno.test("its version tells the commit and the runtime", async () => {
  const { stdout } = await new Deno.Command(program, { args: ["--version"] }).output();
  assertMatch(
    new TextDecoder().decode(stdout),
    /^empusa \d+\.\d+\.\d+ \((commit [0-9a-f]+\+?|no commit)(, packages from npm alone)?, Deno \d+\.\d+\.\d+\)\n$/,
  );
});

Deno.test("its runtime takes the code that was compiled for it", async () => {
  await using etcd = await Etcd.start();
  const { code, stderr } = await new Deno.Command(program, {
    args: ["service", "list"],
    env: { ...connect(etcd), EMPUSA_LOGLEVEL: "debug" },
  }).output();
  assertEquals([code, new TextDecoder().decode(stderr)], [0, ""]);
});

Deno.test("its archive has all that goes with it, and the checksum is right", async () => {
  const dist = projectFile("dist");
  const { code } = await new Deno.Command("sha256sum", {
    args: ["--check", "--strict", "SHA256SUMS"],
    cwd: dist,
    stdout: "null",
  }).output();
  assertEquals(code, 0);
  const [, name = ""] = / {2}(\S+\.tar\.gz)$/m.exec(await Deno.readTextFile(`${dist}/SHA256SUMS`)) ?? [];
  const { stdout } = await new Deno.Command("tar", { args: ["-tzf", name], cwd: dist }).output();
  const folder = name.replace(".tar.gz", "/");
  const files = new TextDecoder().decode(stdout).trimEnd().split("\n");
  const links = (await Deno.readTextFile(projectFile("README.md"))).matchAll(/\]\(([\w./-]+)(?:#[\w-]*)?\)/g);
  for (const file of ["LICENSES.txt", "README.md", "empusa", ...links.map(([, link = ""]) => link)]) {
    assert(files.includes(folder + file), `${file} is in ${files}`);
  }
});

Deno.test("completions come from etcd at once or not at all, and in silence", async () => {
  await using etcd = await Etcd.start();
  await etcd.putMany([["/foo/service/web/a", "h:1"], ["/foo/service/web/b c", "h:2"], [
    "/foo/service/db/x",
    "h:3",
  ]]);
  const complete = async (
    option: string,
    env: Record<string, string>,
  ): Promise<{ words: string[]; stderr: string; took: number }> => {
    const began = performance.now();
    const args = ["completions", "candidates", "zsh", "service", "get", `--service-${option}`, ""];
    const { stdout, stderr } = await new Deno.Command(program, { args, env: { ...connect(etcd), ...env } })
      .output();
    const words = new TextDecoder().decode(stdout).split("\n").slice(2, -1);
    return { words, stderr: new TextDecoder().decode(stderr), took: performance.now() - began };
  };
  // A machine that is busy with other tests may be too slow, and then there is nothing: but never too late.
  const best = async (
    option: string,
    env: Record<string, string>,
    words: string[],
    patience = 300,
  ): Promise<void> => {
    const all = [];
    for (let i = 0; i < 10; i++) {
      const found = await complete(option, env);
      assertEquals(found.stderr, "");
      assert(found.words.length === 0 || found.words.join() === words.join(), found.words.join());
      all.push(found);
    }
    const took = all.filter((found) => found.words.length === words.length).map(({ took }) =>
      Math.round(took)
    );
    // On an idle machine it is half of that.
    assert(Math.min(...took) < patience, `${took} ms`);
  };
  await best("type", {}, ["db", "web"]);
  await best("name", {}, ["a", "x"]);
  await best("name", { EMPUSA_SERVICE_TYPE: "web" }, ["a"]);
  await best("type", { EMPUSA_ETCD_ENDPOINT: "127.0.0.1:1" }, [], 800);
  await best("type", { EMPUSA_ETCD_ENDPOINT: "" }, []);
  await etcd.signal("SIGSTOP");
  await best("type", {}, [], 800);
  await etcd.signal("SIGCONT");
});
