/** `service run` at a terminal, which it shares with its command. */
import { assertEquals } from "@std/assert";
import { pause, until } from "../support/pause.ts";
import { program } from "../support/program.ts";
import { Terminal } from "../support/terminal.ts";

/** `service run` with these options and this command, as a shell reads them; etcd is away. */
function runAt(line: string, before = ""): Terminal {
  const run = "service run --service-type web --service-name a --service-location h:1 --timeout 0.5";
  const env = { ...Deno.env.toObject(), EMPUSA_ETCD_ENDPOINT: "127.0.0.1:1", EMPUSA_TREE_ROOT: "/foo" };
  return new Terminal(`${before} ${program} ${run} ${line}`, { env, cwd: Deno.cwd() });
}

/** What the first group of the pattern is in what was shown, as soon as it is. */
async function shown(terminal: Terminal, pattern: RegExp): Promise<string> {
  await terminal.until(pattern);
  return pattern.exec(terminal.shown)?.[1] ?? "";
}

const heard = (terminal: Terminal, signal: string): number =>
  terminal.shown.split(`heard ${signal}.`).length - 1;

const isGone = async (pid: number): Promise<boolean> => {
  const status = await Deno.readTextFile(`/proc/${pid}/status`).catch(() => "State: X");
  return /^State:\s+[XZ]/m.test(status);
};

/** Tells of each signal, and its own process ID and that of its parent; ends by itself with 5. */
const listener = `for s in HUP INT QUIT USR1 TERM; do trap "echo heard $s." $s; done; echo "parent $PPID."
  for i in $(seq 150); do sleep 0.1; done; exit 5`;

async function scriptFile(script: string): Promise<string> {
  const file = await Deno.makeTempFile();
  await Deno.writeTextFile(file, script);
  return file;
}

Deno.test("a signal reaches the command once, whether it was typed or sent to empusa alone", async () => {
  const file = await scriptFile(listener);
  await using terminal = runAt(`--grace 60 -- bash ${file}`);
  const parent = Number(await shown(terminal, /parent (\d+)\./));
  await terminal.until("started bash");
  await pause(500);
  await terminal.type("\x1c");
  await terminal.until("heard QUIT.");
  await pause(1000);
  assertEquals(heard(terminal, "QUIT"), 1);
  for (const signal of ["HUP", "USR1", "INT"] as const) {
    Deno.kill(parent, `SIG${signal}`);
    await terminal.until(`heard ${signal}.`);
  }
  await pause(1000);
  for (const signal of ["QUIT", "HUP", "USR1", "INT"]) {
    assertEquals([signal, heard(terminal, signal)], [signal, 1]);
  }
  Deno.kill(parent, "SIGKILL");
  await Deno.remove(file);
});

Deno.test("as process 1 at a terminal, such as in a container, one Ctrl-C reaches the command once", async () => {
  const file = await scriptFile(listener);
  await using terminal = runAt(`--grace 60 -- bash ${file}`, "unshare -pf --mount-proc");
  await terminal.until("parent 1.");
  await terminal.until("started bash");
  await pause(500);
  await terminal.type("\x03");
  await terminal.until("heard INT.");
  await pause(1500);
  assertEquals(heard(terminal, "INT"), 1);
  await Deno.remove(file);
});

Deno.test("--grace at a terminal ends what the command has started too", async () => {
  const file = await scriptFile(`trap '' TERM
    (trap '' TERM HUP; for i in $(seq 200); do sleep 0.1; done) & echo "child $!, parent $PPID."; wait; wait; sleep 20`);
  await using terminal = runAt(`--grace 0.5 -- bash ${file}`);
  const child = Number(await shown(terminal, /child (\d+),/));
  const parent = Number(await shown(terminal, /parent (\d+)\./));
  await terminal.until("started bash");
  Deno.kill(parent, "SIGTERM");
  assertEquals(await terminal.ended, 137);
  await until("what it has started is gone", () => isGone(child));
  await Deno.remove(file);
});
