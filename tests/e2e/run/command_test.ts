/** `service run`: how its command starts and ends, and what it gets and leaves behind. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { createSocket } from "node:dgram";
import { Etcd } from "../../support/etcd.ts";
import { until } from "../../support/pause.ts";
import { rounds } from "../../support/rounds.ts";
import { connect, empusa, launch, program, signalFirst } from "../../support/program.ts";
import { isGone, isLeft, key, run, sh } from "../../support/run.ts";

Deno.test("it ends as its command ends, and leaves nothing behind", async () => {
  await using etcd = await Etcd.start();
  for (
    const [script, code] of [
      ["exit 0", 0],
      ["exit 1", 1],
      ["exit 42", 42],
      ["kill -KILL $$", 137],
      ["kill -TERM $$", 143],
      ["sleep 2; exit 7", 7],
    ] as const
  ) {
    await using running = run("", sh(script), connect(etcd));
    assertEquals([script, (await running.outcome).code], [script, code]);
    // A lease that was asked for when it ended may still come, empty.
    assertEquals(await etcd.etcdctl("get", "--prefix", "/"), "");
  }
});

Deno.test("a command that cannot be started is nothing that is registered, with the shells' exit codes", async () => {
  const folder = await Deno.makeTempDir();
  await Deno.writeTextFile(`${folder}/data`, "data\n");
  const env = { EMPUSA_ETCD_ENDPOINT: "127.0.0.1:1", EMPUSA_TREE_ROOT: "/foo" };
  for (
    const [command, code, why] of [
      ["there-is-no-such-command", 127, "there is no such command"],
      [`${folder}/none`, 127, "there is no such command"],
      [`${folder}/data`, 126, "it may not be run"],
      [folder, 126, "it may not be run"],
    ] as const
  ) {
    await using running = run("", [command], env);
    const outcome = await running.outcome;
    assertEquals([outcome.code, outcome.stderr], [code, `empusa: cannot start "${command}": ${why}\n`]);
    assert(outcome.took < 5000, `${outcome.took} ms`);
  }
  await Deno.remove(folder, { recursive: true });
});

Deno.test("standard input, output and error are the command's own", async () => {
  await using etcd = await Etcd.start();
  const line = [
    "service",
    "run",
    "--service-type",
    "web",
    "--service-location",
    "h:1",
    "--log-level",
    "error",
  ];
  const child = new Deno.Command(program, {
    args: [...line, "--", ...sh("cat; echo err >&2; test -p /dev/stdin")],
    env: connect(etcd),
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const bytes = new Uint8Array(300_000).map((_, i) => i * 7);
  const [{ code, stdout, stderr }] = await Promise.all([
    child.output(),
    new Blob([bytes]).stream().pipeTo(child.stdin),
  ]);
  assertEquals(code, 0);
  assertEquals(stdout, bytes);
  assertEquals(new TextDecoder().decode(stderr), "err\n");
});

Deno.test("the command knows as what it is registered, but neither the password nor the service manager", async () => {
  await using etcd = await Etcd.start();
  await etcd.enableAuth({ web: { password: "pw", right: "readwrite", prefix: "/foo/" } });
  const env = {
    ...connect(etcd),
    EMPUSA_ETCD_USERNAME: "web",
    EMPUSA_ETCD_PASSWORD: "pw",
    EMPUSA_SERVICE_NAME: "n-{hostname}-{pid}",
    EMPUSA_SERVICE_LOCATION: "{hostname}:80",
    EMPUSA_SERVICE_TYPE: "other",
    OTHER: "stays",
    NOTIFY_SOCKET: "@nobody",
    WATCHDOG_USEC: "1000000",
  };
  const { code, stdout } = await empusa(["service", "run", "--service-type", "web", "--", "env"], env);
  assertEquals(code, 0);
  const found = Object.fromEntries(stdout.trimEnd().split("\n").map((line) => line.split("=", 2)));
  assertEquals(found["EMPUSA_SERVICE_TYPE"], "web");
  assertMatch(found["EMPUSA_SERVICE_NAME"], new RegExp(`^n-${Deno.hostname()}-\\d+$`));
  assertEquals(found["EMPUSA_SERVICE_LOCATION"], `${Deno.hostname()}:80`);
  assertEquals(found["EMPUSA_TREE_ROOT"], "/foo");
  assertEquals(found["OTHER"], "stays");
  for (const name of ["EMPUSA_ETCD_USERNAME", "EMPUSA_ETCD_PASSWORD", "NOTIFY_SOCKET", "WATCHDOG_USEC"]) {
    assert(!(name in found), name);
  }
  assert(!stdout.includes("pw\n"));
});

Deno.test("a signal while {ip} is looked up starts nothing", async () => {
  // A name server that never answers.
  const silent = createSocket("udp4");
  await new Promise<void>((resolve) => silent.bind(53, "127.0.0.77", resolve));
  const folder = await Deno.makeTempDir();
  await Deno.writeTextFile(`${folder}/resolv.conf`, "nameserver 127.0.0.77\noptions timeout:10\n");
  const line = "service run --service-type web --service-location {ip}:80 --tree-root /foo --timeout 20";
  const script = `mount --bind ${folder}/resolv.conf /etc/resolv.conf && exec "$@"`;
  const empusa = (endpoints: string, ...command: string[]): string[] => [
    ...["--mount", "bash", "-c", script, "bash", program, ...line.split(" ")],
    ...["--etcd-endpoint", endpoints, "--", ...command],
  ];
  const child = new Deno.Command("unshare", {
    args: empusa("nowhere.example:1", "touch", `${folder}/started`),
    stdin: "null",
    stderr: "piped",
  }).spawn();
  const asked = new Promise((resolve) => silent.once("message", () => resolve("asked")));
  assertEquals(await Promise.race([asked, child.status]), "asked");
  child.kill("SIGTERM");
  assertEquals((await child.output()).code, 143);
  // And one whose name cannot be looked up does not keep the other one waiting.
  const { code, stdout } = await new Deno.Command("unshare", {
    args: empusa("nowhere.example:1,127.0.0.1:2", ...sh("echo $EMPUSA_SERVICE_LOCATION")),
    stdin: "null",
  }).output();
  assertEquals([code, new TextDecoder().decode(stdout)], [0, "127.0.0.1:80\n"]);
  assertEquals(Array.from(await Array.fromAsync(Deno.readDir(folder)), ({ name }) => name), ["resolv.conf"]);
  await Deno.remove(folder, { recursive: true });
  silent.close();
});

Deno.test("an outage is no reason to wait for a command that has ended", async () => {
  const env = { EMPUSA_ETCD_ENDPOINT: "127.0.0.1:1", EMPUSA_TREE_ROOT: "/foo" };
  await using running = run("", sh("exit 3"), env);
  const { code, took } = await running.outcome;
  assertEquals(code, 3);
  assert(took < 5000, `${took} ms`);
});

Deno.test("a terminal is shared: the command reads what is typed, and Ctrl-C reaches it once", async () => {
  await using etcd = await Etcd.start();
  const script =
    `trap "echo INT" INT; trap "exit 3" TERM; echo ready; read x; echo "got $x"; for i in $(seq 60); do sleep 0.1; done; exit 5`;
  const file = await Deno.makeTempFile();
  await Deno.writeTextFile(file, script);
  // script(1) asks $SHELL, or sh, to carry it out: a shell that stayed beside it would die of the Ctrl-C.
  const line = `exec ${program} service run --service-type web --service-location h:1 -- bash ${file}`;
  const child = new Deno.Command("script", {
    args: ["-qec", line, "/dev/null"],
    env: connect(etcd),
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const writer = child.stdin.getWriter();
  const type = (text: string): Promise<void> => writer.write(new TextEncoder().encode(text));
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let shown = "";
  const until = async (text: string): Promise<void> => {
    while (!shown.includes(text)) {
      const { value, done } = await reader.read();
      if (done) throw new Error(`never shown: ${text}, but ${shown}`);
      shown += value;
    }
  };
  await until("ready");
  await type("word\r");
  await until("got word");
  await until("registered web/");
  await type("\x03");
  await until("unregistered web/");
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    shown += value;
  }
  await writer.close().catch(() => {});
  assert((await child.status).code === 5 && shown.match(/INT\r\n/g)?.length === 1, shown);
  await Deno.remove(file);
});

/** How many commands each of four lanes runs, one after the other. */
const perLane = rounds(8, 50);

Deno.test(`${4 * perLane} quick commands leave nothing registered, and no process behind`, async () => {
  await using etcd = await Etcd.start();
  const folder = await Deno.makeTempDir();
  const line = "service run --service-type web --service-location h:1".split(" ");
  const lane = async (of: number): Promise<void> => {
    for (let i = 0; i < perLane; i++) {
      const script = `echo $$ > ${folder}/${of}-${i}; exit ${i}`;
      const { code } = await empusa(
        [...line, "--service-name", `${of}-${i}`, "--", ...sh(script)],
        connect(etcd),
      );
      assertEquals(code, i);
    }
  };
  await Promise.all([0, 1, 2, 3].map(lane));
  const pids: number[] = [];
  for await (const { name } of Deno.readDir(folder)) {
    pids.push(Number(await Deno.readTextFile(`${folder}/${name}`)));
  }
  assertEquals(pids.length, 4 * perLane);
  for (const pid of pids) await until(`${pid} is gone`, () => isGone(pid));
  assertEquals(await etcd.etcdctl("get", "--prefix", "/"), "");
  await Deno.remove(folder, { recursive: true });
});

Deno.test("as PID 1 it is stopped by SIGTERM, and buries those who have lost their parents", async () => {
  await using etcd = await Etcd.start();
  // Each of them ends when its parent has long gone.
  const script = `trap 'exit 6' TERM; for i in 1 2 3; do (sleep 0.2 & ); done
    sleep 3; cat /proc/[0-9]*/stat; echo listed; while :; do sleep 0.05; done`;
  const line = "service run --service-type web --service-name a --service-location h:1".split(" ");
  await using running = launch(
    ["unshare", "-pf", "--mount-proc", program, ...line, "--", ...sh(script)],
    connect(etcd),
  );
  await running.said("registered web/a");
  await running.printed("listed");
  assertEquals(await etcd.etcdctl("get", key), `${key}\nh:1\n`);
  await signalFirst(running, "SIGTERM");
  const { code, stdout, stderr } = await running.outcome;
  assertEquals(code, 6);
  assertEquals(stdout.split("\n").filter((process) => /\) Z /.test(process)), []);
  assertStringIncludes(stderr, "unregistered web/a");
  assertEquals(await isLeft(etcd), "found 0 leases\n");
});
