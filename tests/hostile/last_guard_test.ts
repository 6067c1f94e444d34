/** Errors that nobody catches, planted in the running program. */
import { assert, assertEquals } from "@std/assert";
import { launch, type Outcome } from "../support/program.ts";
import { projectFile } from "../support/project.ts";

/** Runs `empusa ARGS` from source in one process with a script, which begins before it. */
async function runWith(planted: string, args: readonly string[]): Promise<Outcome> {
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  await Deno.writeTextFile(file, `${planted}\nvoid import("file://${projectFile("main.ts")}");\n`);
  const script =
    'source "$0"; need_packages; exec "$deno" run "${deno_flags[@]}" "${permissions[@]}" --no-check "$@"';
  const env = { EMPUSA_ETCD_ENDPOINT: "127.0.0.1:1", EMPUSA_TREE_ROOT: "/foo", EMPUSA_TIMEOUT: "1" };
  await using running = launch(["bash", "-c", script, projectFile("scripts/setup"), file, ...args], env);
  const outcome = await running.outcome;
  await Deno.remove(file);
  return outcome;
}

const uncaught = `
import process from "node:process";
import { EventEmitter } from "node:events";
import net from "node:net";
// Once the program has begun, and has something to do.
const added = addEventListener;
let begun = false;
globalThis.addEventListener = (...args) => {
  if (!begun) setTimeout(plant, 200);
  begun = true;
  return added(...args);
};
setTimeout(() => begun || plant(), 2000);
function plant() {
  Promise.reject(new Error("planted: a promise"));
  Promise.reject(undefined);
  setTimeout(() => { throw new Error("planted: a timer"); }, 1);
  process.nextTick(() => { throw new Error("planted: a tick"); });
  queueMicrotask(() => { throw new Error("planted: a microtask"); });
  setTimeout(() => new EventEmitter().emit("error", new Error("planted: an emitter")), 1);
  net.connect(1, "127.0.0.1");
  for (let i = 0; i < 3; i++) Promise.reject(new Error("planted: again and again"));
  let left = 1000;
  const again = setInterval(() => {
    if (--left === 0) clearInterval(again);
    Promise.reject(new Error("planted: again and again"));
  }, 1);
  Deno.unrefTimer(again);
}
`;

Deno.test("what nobody has caught is told once, and the outcome is that of the command", async (t) => {
  const run = "service run --service-type web --service-name a --service-location h:1 --".split(" ");
  for (
    const [args, code] of [
      [[...run, "sh", "-c", "sleep 2; exit 7"], 7],
      [["switch", "test", "x"], 3],
    ] as const
  ) {
    await t.step(args.slice(0, 2).join(" "), async () => {
      const { code: found, stderr } = await runWith(uncaught, args);
      assert(found === code, `${found}: ${stderr}`);
      for (const what of ["a promise", "a timer", "a tick", "a microtask", "an emitter", "again and again"]) {
        const line = `empusa: unexpected failure; empusa continues: planted: ${what}\n`;
        assert(stderr.split(line).length === 2, `${what} in ${stderr}`);
      }
      assert(!/Uncaught|at file:/.test(stderr), stderr);
    });
  }
});

Deno.test("a command that has nothing left to wait for, and has not ended, does not look like off or done", async () => {
  const { code, stdout } = await runWith("Deno.stdout.write = () => new Promise(() => {});", ["--version"]);
  assertEquals([code, stdout], [9, ""]);
});

Deno.test("a rejection that somebody expects is not told, whoever listens first", async () => {
  const script = `
    import { expectRejections, onUncaught } from "file://${projectFile("src/system/last_guard.ts")}";
    onUncaught((error) => console.log("told", error));
    expectRejections((reason) => reason === "known");
    Promise.reject("known");
    Promise.reject("new");`;
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args: ["eval", script] })
    .output();
  const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  assertEquals([code, text(stdout), text(stderr)], [0, "told new\n", ""]);
});
