/** Standard output and error that break, and an etcd that is away. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Etcd, freePorts } from "../support/etcd.ts";
import { pause } from "../support/pause.ts";
import { connect, empusa, inherited, program, shell } from "../support/program.ts";
import { done, named, root } from "../support/refresher.ts";

Deno.test("what cannot be logged changes nothing", async () => {
  await using etcd = await Etcd.start();
  const unlogged = async (command: string): Promise<number> =>
    (await shell(`"$0" ${command} 2>/dev/full`, connect(etcd))).code;
  const register = `service register ${named.join(" ")} --service-location h:1`;
  assertEquals(await unlogged(register), 0);
  assertEquals(await unlogged(`${register} --ttl x`), 2);
  assertEquals(await unlogged("service list >/dev/full"), 9);
  assertEquals(await unlogged(`${register} --ttl 2 --refresh-every 1 & sleep 6; kill -TERM $!; wait $!`), 0);
});

Deno.test("what cannot be printed is said in one line", async () => {
  await using etcd = await Etcd.start();
  for (const args of ["service list", "--version", "--help"]) {
    const { code, stderr } = await shell(`"$0" ${args} >/dev/full`, connect(etcd));
    assertEquals([code, stderr], [
      9,
      "empusa: cannot write to standard output: No space left on device (os error 28)\n",
    ]);
  }
});

Deno.test("etcd away: exit code 3 within the timeout, and one line", async () => {
  const endpoint = `127.0.0.1:${freePorts(1)[0]}`;
  for (const args of [["service", "list"], ["service", "unregister", ...named]]) {
    const outcome = await empusa([
      ...args,
      "--etcd-endpoint",
      endpoint,
      "--tree-root",
      root,
      "--timeout",
      "2",
    ]);
    assertEquals([outcome.code, outcome.stdout], [3, ""]);
    assertEquals(
      outcome.stderr,
      `empusa: cannot reach etcd within 2 s: http://${endpoint}: connection refused; ` +
        "check --etcd-endpoint (EMPUSA_ETCD_ENDPOINT) and whether etcd runs there\n",
    );
    assert(outcome.took < 8000, `${outcome.took} ms`);
  }
});

Deno.test("an etcd that comes back within the timeout is waited for", async () => {
  await using etcd = await Etcd.start();
  await etcd.signal("SIGKILL");
  const waiting = empusa(["service", "list", "--timeout", "10"], connect(etcd));
  await pause(1000);
  await etcd.restart();
  done(await waiting, "", "TYPE\tNAME\tLOCATION\tTTL\n");
});

Deno.test("a reader that goes away is no failure", async () => {
  await using etcd = await Etcd.start();
  await etcd.etcdctl("put", "/foo/service/web/a", "x".repeat(100_000));
  const script = 'set -o pipefail; "$0" service list --format json | head -c 10';
  const { code, stderr } = await shell(script, connect(etcd));
  assertEquals([code, stderr], [0, ""]);
});

Deno.test("colour is for terminals without NO_COLOR", async () => {
  await using etcd = await Etcd.start();
  const { NO_COLOR: _, ...inherits } = inherited();
  const seen = async (args: string, env: Record<string, string>): Promise<string> => {
    // script(1) runs a command on a terminal of its own.
    const { stdout } = await new Deno.Command("script", {
      args: ["-qec", `${program} ${args}`, "/dev/null"],
      clearEnv: true,
      env: { ...inherits, ...connect(etcd), ...env },
    }).output();
    return new TextDecoder().decode(stdout);
  };
  for (const args of ["service list", "service list --help"]) {
    assertStringIncludes(await seen(args, {}), "\x1b[1m");
    const plain = await seen(args, { NO_COLOR: "1" });
    assert(plain !== "" && !plain.includes("\x1b"), JSON.stringify(plain));
  }
});
