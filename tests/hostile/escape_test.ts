/** Text that others wrote reaches a terminal, a log and the service manager escaped, and a pipe as it is. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { run } from "../../src/cli/run.ts";
import { formatNames } from "../../src/formats/mod.ts";
import { Log, type LogOptions } from "../../src/system/log.ts";
import { ServiceManager } from "../../src/system/sd_notify.ts";
import { Etcd } from "../support/etcd.ts";
import { fakeSystem } from "../support/system.ts";

/** All that `escapeControls` must not let through, with what a terminal would make of it. */
const hostile = "\x1b[2J\x9b31m\x07\r\nempusa: forged\x7f\u0085\u202e\u2066\u2028\u200f\x00";

// deno-lint-ignore no-control-regex -- control characters are what it is about
const raw = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;

async function logged(
  options: LogOptions,
  level: "error" | "warn" | "info" | "debug",
  message: string,
): Promise<string> {
  let written = "";
  const log = new Log({
    isTerminal: false,
    open: true,
    write: (text) => {
      written += text;
      return Promise.resolve();
    },
  }, options);
  await log[level](message);
  return written;
}

Deno.test("a log has one line for a message, in both formats, whatever the message holds", async () => {
  for (const level of ["error", "warn", "info"] as const) {
    const text = await logged({ level: "debug", format: "text" }, level, `before ${hostile} after`);
    assertEquals([text.split("\n").length, raw.test(text)], [2, false]);
    const json = await logged({ level: "debug", format: "json" }, level, `before ${hostile} after`);
    assertEquals([json.split("\n").length, raw.test(json)], [2, false]);
    assertEquals(JSON.parse(json).message, `before ${hostile} after`);
  }
});

Deno.test("a debug message keeps its lines, none of which looks like a message of its own", async () => {
  const text = await logged({ level: "debug", format: "text" }, "debug", `Error: ${hostile}\n    at x.ts:1`);
  assertEquals(raw.test(text), false);
  const lines = text.trimEnd().split("\n");
  assertEquals([lines.length, lines.filter((line) => line.startsWith("empusa: "))], [3, [lines[0]]]);
});

Deno.test("a message of any length is told in part", async () => {
  const text = await logged({ level: "info", format: "text" }, "warn", "x".repeat(1_400_000));
  assert(text.length < 10_000, `${text.length}`);
});

Deno.test("a status for the service manager is one assignment that fits into a message", () => {
  const sent: string[] = [];
  const system = {
    env: (name: string): string | undefined => name === "NOTIFY_SOCKET" ? "/run/x" : undefined,
    pid: 42,
    sendDatagram: (_: string, message: string): void => void sent.push(message),
  };
  using manager = new ServiceManager(system, () => {});
  manager.ready("well\nMAINPID=1");
  manager.status("check: said\r\nMAINPID=1\nFDSTORE=1");
  manager.status("ü".repeat(5000));
  assertEquals(sent.map((message) => message.split("\n").map((line) => line.split("=")[0])), [
    ["READY", "STATUS"],
    ["STATUS"],
    ["STATUS"],
  ]);
  assert(sent.every((message) => new TextEncoder().encode(message).length <= 4096));
});

Deno.test("usage errors show what was typed without its control characters", async () => {
  for (
    const args of [
      [`--nope${hostile}`],
      [hostile],
      ["service", "list", `--${hostile}`],
      ["service", "list", "--format", hostile, "--etcd-endpoint", "h:1", "--tree-root", "/x"],
      ["switch", "get", `--${hostile}`],
    ]
  ) {
    const system = fakeSystem({ isTerminal: true, noColor: true });
    assertEquals(await run(args, system), 2);
    assertEquals([args, raw.test(system.printed.stderr)], [args, false]);
    assert(
      system.printed.stderr.split("\n").every((line) => line === "" || /^empusa: (?!forged)/.test(line)),
    );
  }
});

Deno.test("what lies in etcd is escaped at a terminal, and goes into a pipe as it is", async (t) => {
  await using etcd = await Etcd.start();
  const named = "\x1b]0;x\x07\x9b31m";
  const value = "h:1\x1b[2J\x9b31m\u202e";
  await etcd.putMany([
    [`/foo/service/web/${named}`, value],
    ["/foo/service/web/plain", value],
    [`/foo/service/web/${named}/too-deep`, value],
    ["/foo/switch/s", value],
    [`/foo/switch/${named}/deep/`, value],
  ]);
  const at = ["--etcd-endpoint", etcd.endpoint, "--tree-root", "/foo"];
  const commands: string[][] = [
    ...formatNames.map((format) => ["service", "list", "--format", format]),
    ["service", "get", "--service-type", "web", "--service-name", "plain"],
    ["service", "get", "--service-type", "web", "--service-name", "plain", "--format", "csv"],
    ["service", "pick", "--service-type", "web", "--name", "plain"],
    ["service", "wait", "--service-type", "web", "--format", "plain"],
    ["service", "watch", "--format", "jsonl"],
    ["service", "watch", "--format", "table"],
    ["switch", "get", "s"],
    ["switch", "list"],
    ["switch", "list", "--format", "json"],
    ["switch", "toggle", "s"],
    ["switch", "wait", "s", "other", "--timeout", "0.2"],
    ["switch", "watch", "--format", "table"],
    ["status"],
  ];
  for (const command of commands) {
    await t.step(command.join(" "), async () => {
      const system = fakeSystem({ isTerminal: true, noColor: true });
      const code = await run([...at, ...command], { ...system, stdout: once(system) });
      assert(code !== 2, system.printed.stderr);
      assertEquals([raw.test(system.printed.stdout), raw.test(system.printed.stderr)], [false, false]);
    });
  }
  await t.step("into a pipe", async () => {
    const printed = async (...command: string[]): Promise<string> => {
      const system = fakeSystem();
      assertEquals(await run([...at, ...command], system), 0);
      return system.printed.stdout;
    };
    assertEquals(await printed("switch", "get", "s"), `${value}\n`);
    assertEquals(
      await printed("service", "get", "--service-type", "web", "--service-name", "plain"),
      `${value}\n`,
    );
    assertStringIncludes(await printed("service", "list", "--format", "csv"), `web,plain,${value},,,,1\n`);
  });
});

/** Standard output whose reader goes away after it has read something. */
function once({ stdout }: ReturnType<typeof fakeSystem>): typeof stdout {
  let open = true;
  return {
    isTerminal: stdout.isTerminal,
    get open(): boolean {
      return open;
    },
    write: (text) => {
      open = false;
      return stdout.write(text);
    },
  };
}
