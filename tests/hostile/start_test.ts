/** Commands that cannot be started, and what those that can find. */
import { assert, assertEquals } from "@std/assert";
import { launch, program } from "../support/program.ts";

const run = "service run --service-type web --service-name a --service-location h:1 --timeout 0.5 --";
const env = { EMPUSA_ETCD_ENDPOINT: "127.0.0.1:1", EMPUSA_TREE_ROOT: "/foo" };

Deno.test("a command that cannot be started ends with 126 or 127, as a shell has it, and says why", async () => {
  const folder = await Deno.makeTempDir();
  const write = async (name: string, text: string, mode = 0o755): Promise<void> => {
    await Deno.writeTextFile(`${folder}/${name}`, text);
    await Deno.chmod(`${folder}/${name}`, mode);
  };
  await write("data", "data\n", 0o644);
  await write("bad", "#!/no/such/interpreter -x\n");
  await write("dos", "#!/bin/sh\r\nexit 3\r\n");
  const cases: readonly (readonly [string, number, string])[] = [
    ["data", 126, "it may not be run"],
    [`${folder}/data`, 126, "it may not be run"],
    ["bad", 126, 'its interpreter "/no/such/interpreter" does not exist'],
    [`${folder}/bad`, 126, 'its interpreter "/no/such/interpreter" does not exist'],
    [`${folder}/dos`, 126, 'its interpreter "/bin/sh\\r" does not exist'],
    ["no-such-command", 127, "there is no such command"],
    [`${folder}/none`, 127, "there is no such command"],
    [`${folder}/data/x`, 126, "not a directory"],
  ];
  await Promise.all(cases.map(async ([command, code, why]) => {
    await using running = launch([program, ...run.split(" "), command], {
      ...env,
      PATH: `${folder}:${Deno.env.get("PATH")}`,
    });
    const outcome = await running.outcome;
    assertEquals([outcome.code, outcome.stderr], [code, `empusa: cannot start "${command}": ${why}\n`]);
  }));
  await Deno.remove(folder, { recursive: true });
});

Deno.test("the command gets the soft limit on open files that empusa was started with", async () => {
  // Not the last command of the shell, which would become it.
  const script = `ulimit -S -n 777; "$0" ${run} sh -c 'ulimit -S -n; ulimit -H -n'; ulimit -H -n`;
  await using running = launch(["bash", "-c", script, program], env);
  const { stdout } = await running.outcome;
  const [soft, hard, hardBefore] = stdout.trim().split("\n");
  assertEquals([soft, hard], ["777", hardBefore]);
  assert(Number(hardBefore) > 777, `the hard limit of this machine is ${hardBefore}`);
});
