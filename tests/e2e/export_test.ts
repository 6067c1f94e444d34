/** Files that other programs read: never torn, never blank because etcd blinked. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Etcd } from "../support/etcd.ts";
import { connect, empusa, start } from "../support/program.ts";
import { pause } from "../support/pause.ts";

const put = (etcd: Etcd, service: string, location: string): Promise<string> =>
  etcd.etcdctl("put", `/foo/service/${service}`, location);

interface Folder extends AsyncDisposable {
  readonly path: string;
  read(name: string): Promise<string>;
  names(): string[];
}

async function makeFolder(): Promise<Folder> {
  const path = await Deno.makeTempDir();
  return {
    path,
    read: (name) => Deno.readTextFile(`${path}/${name}`),
    names: () => [...Deno.readDirSync(path)].map(({ name }) => name).sort(),
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
}

const plain = (
  folder: Folder,
  ...more: string[]
): string[] => ["service", "export", "--format", "plain", "--output", `${folder.path}/out.txt`, ...more];

Deno.test("export writes what list prints, and only when it changes", async () => {
  await using etcd = await Etcd.start();
  await using folder = await makeFolder();
  await put(etcd, "web/a", "a:1");
  const first = await empusa(plain(folder, "--exec", "echo hook $EMPUSA_SERVICE_COUNT"), connect(etcd));
  assertEquals([first.code, first.stdout, first.stderr], [
    0,
    "hook 1\n",
    `empusa: wrote ${folder.path}/out.txt: 1 entry\n`,
  ]);
  assertEquals(await folder.read("out.txt"), "a:1\n");
  const { ino } = await Deno.stat(`${folder.path}/out.txt`);
  const second = await empusa(plain(folder, "--exec", "echo hook"), connect(etcd));
  assertEquals([second.code, second.stdout, second.stderr], [0, "", ""]);
  assertEquals((await Deno.stat(`${folder.path}/out.txt`)).ino, ino);
  assertEquals(folder.names(), ["out.txt"]);
});

Deno.test("the file keeps its mode and owner, and a link to it stays one", async () => {
  await using etcd = await Etcd.start();
  await using folder = await makeFolder();
  const path = `${folder.path}/real.txt`;
  await Deno.writeTextFile(path, "old");
  await Deno.chmod(path, 0o640);
  if (Deno.uid() === 0) await Deno.chown(path, 1234, 2345);
  const before = await Deno.stat(path);
  await Deno.symlink("real.txt", `${folder.path}/out.txt`);
  await put(etcd, "web/a", "a:1");
  assertEquals((await empusa(plain(folder), connect(etcd))).code, 0);
  const after = await Deno.stat(path);
  assertEquals([after.mode, after.uid, after.gid], [before.mode, before.uid, before.gid]);
  assertEquals([(await Deno.lstat(`${folder.path}/out.txt`)).isSymlink, await folder.read("real.txt")], [
    true,
    "a:1\n",
  ]);
});

Deno.test("what cannot be written is said, and loses nothing", async () => {
  await using etcd = await Etcd.start();
  await using folder = await makeFolder();
  for (const output of ["/nowhere/out.txt", folder.path]) {
    const args = ["service", "export", "--format", "plain", "--output", output];
    const { code, stderr } = await empusa(args, connect(etcd));
    assertEquals(code, 9);
    assertStringIncludes(stderr, `empusa: cannot write ${output}: `);
  }
  assertEquals(folder.names(), []);
  const table = await empusa(["service", "export", "--format", "table", "--output", "x"], connect(etcd));
  assertEquals(table.code, 2);
  assertStringIncludes(table.stderr, "--format (EMPUSA_FORMAT) must be json, ");
});

Deno.test("an implausible result is held back", async () => {
  await using etcd = await Etcd.start();
  await using folder = await makeFolder();
  for (let i = 0; i < 10; i++) await put(etcd, `web/n${i}`, `h:${i}`);
  assertEquals((await empusa(plain(folder), connect(etcd))).code, 0);
  for (let i = 0; i < 6; i++) await etcd.etcdctl("del", `/foo/service/web/n${i}`);
  const entries = async (): Promise<number> => (await folder.read("out.txt")).split("\n").length - 1;
  for (
    const [option, value, why] of [
      ["--max-drop", "50", "4 of 10 entries would be left, and --max-drop (EMPUSA_MAX_DROP) is 50"],
      ["--min", "5", "found 4 entries, and --min (EMPUSA_MIN) is 5"],
    ] as const
  ) {
    const { code, stderr } = await empusa(plain(folder, option, value), connect(etcd));
    assertEquals([code, stderr], [9, `empusa: warning: kept ${folder.path}/out.txt: ${why}\n`]);
    assertEquals(await entries(), 10);
  }
  assertEquals((await empusa(plain(folder, "--max-drop", "60", "--min", "4"), connect(etcd))).code, 0);
  assertEquals(await entries(), 4);
});

Deno.test("export --watch follows, and what is held back is written when it has lasted", async () => {
  await using etcd = await Etcd.start();
  await using folder = await makeFolder();
  for (let i = 0; i < 4; i++) await put(etcd, `web/n${i}`, `h:${i}`);
  const options = ["--watch", "--max-drop", "50", "--max-drop-hold", "2", "--exec", "echo hook"];
  await using exporter = start(plain(folder, ...options), connect(etcd));
  await exporter.said("4 entries");
  await etcd.etcdctl("put", "/foo/service/web/bad", "");
  await exporter.said("skipped web/bad");
  await put(etcd, "web/n4", "h:4");
  await exporter.said("5 entries");
  assertEquals(await folder.read("out.txt"), "h:0\nh:1\nh:2\nh:3\nh:4\n");
  await etcd.etcdctl("del", "--prefix", "/foo/");
  await exporter.said("all 5 entries would go");
  await pause(1000);
  assertEquals(await folder.read("out.txt"), "h:0\nh:1\nh:2\nh:3\nh:4\n");
  await exporter.said("out.txt: 0 entries");
  await exporter.printed("hook\nhook\nhook\n");
  exporter.signal("SIGTERM");
  const { code, stdout, stderr } = await exporter.outcome;
  assertEquals([code, stdout], [0, "hook\nhook\nhook\n"]);
  assertEquals(stderr.split("skipped").length, 2);
});

Deno.test("an etcd that is away, or blank, does not blank the file", async () => {
  await using etcd = await Etcd.start();
  await using folder = await makeFolder();
  for (let i = 0; i < 4; i++) await put(etcd, `web/n${i}`, `h:${i}`);
  await using exporter = start(plain(folder, "--watch"), connect(etcd));
  await exporter.said("4 entries");
  const good = await folder.read("out.txt");
  await etcd.signal("SIGKILL");
  await pause(1500);
  assertEquals(await folder.read("out.txt"), good);
  await etcd.wipe();
  await etcd.restart();
  await exporter.said("all 4 entries would go, and --min (EMPUSA_MIN) is not given");
  await pause(500);
  assertEquals(await folder.read("out.txt"), good);
  await put(etcd, "web/new", "h:9");
  await exporter.said("1 entry");
  assertEquals(await folder.read("out.txt"), "h:9\n");
  // Nor does one that is away from the beginning.
  await etcd.signal("SIGKILL");
  assertEquals((await empusa(plain(folder, "--timeout", "1"), connect(etcd))).code, 3);
  assertEquals(await folder.read("out.txt"), "h:9\n");
  await etcd.restart();
  await etcd.etcdctl("del", "--prefix", "/foo/");
  assertEquals((await empusa(plain(folder), connect(etcd))).code, 9);
  assertEquals(await folder.read("out.txt"), "h:9\n");
  assertEquals((await empusa(plain(folder, "--min", "0"), connect(etcd))).code, 0);
  assertEquals(await folder.read("out.txt"), "");
});

Deno.test("who ends before the command has succeeded leaves word to whoever comes next", async () => {
  await using etcd = await Etcd.start();
  await using folder = await makeFolder();
  await put(etcd, "web/a", "a:1");
  for (const [command, code] of [["exit 3", 3], ["exit 3", 3], ["echo hook", 0]] as const) {
    assertEquals((await empusa(plain(folder, "--exec", command), connect(etcd))).code, code);
  }
  assertEquals(folder.names(), ["out.txt"]);
  assertEquals((await empusa(plain(folder, "--exec", "echo hook"), connect(etcd))).stdout, "");
});

Deno.test("a command that failed is run again, though the file is the same", async () => {
  await using etcd = await Etcd.start();
  await using folder = await makeFolder();
  await put(etcd, "web/a", "a:1");
  const command = `echo run; test -e ${folder.path}/go`;
  await using exporter = start(plain(folder, "--watch", "--exec", command), connect(etcd));
  await exporter.said("failed with exit code 1");
  await Deno.writeTextFile(`${folder.path}/go`, "");
  await pause(3000);
  exporter.signal("SIGTERM");
  const { stdout } = await exporter.outcome;
  assert(/^(run\n){2,4}$/.test(stdout), stdout);
});

Deno.test("an exporter that is killed at any moment leaves no torn file", async () => {
  await using etcd = await Etcd.start();
  await using folder = await makeFolder();
  const many = 2000;
  await etcd.putMany(
    Array.from({ length: many }, (_, i) => [`/foo/service/web/n${i}`, `${"x".repeat(200)}:1`]),
  );
  const args = [
    "service",
    "export",
    "--format",
    "json",
    "--output",
    `${folder.path}/out.json`,
    "--watch",
    "--settle",
    "0",
  ];
  let writes = 0;
  for (let i = 0; i < 12; i++) {
    await using exporter = start(args, connect(etcd));
    let over = false;
    const stirring = (async (): Promise<void> => {
      while (!over) await put(etcd, "web/n0", `h:${Math.random()}`);
    })();
    // Some before the first write, the others in the middle of many.
    if (i % 4 > 0) await exporter.said("wrote");
    await pause(Math.random() * 400);
    exporter.signal("SIGKILL");
    writes += (await exporter.outcome).stderr.split("wrote").length - 1;
    over = true;
    await stirring;
    for (const name of folder.names().filter((name) => !name.startsWith("."))) {
      assertEquals(name, "out.json");
      assertEquals(JSON.parse(await folder.read(name)).length, many);
    }
  }
  assert(writes > 10, `only ${writes} writes were tried`);
});
