/** What the command line understands, and how it says what it does not. Nothing here needs a server. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import Module from "node:module";
import config from "../../deno.json" with { type: "json" };
import { run } from "../../src/cli/run.ts";
import { withEnv } from "../support/env.ts";
import { freePorts } from "../support/etcd.ts";
import { fakeSystem } from "../support/system.ts";

async function cli(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  using _ = withEnv(env);
  const system = fakeSystem();
  const code = await run(args, system);
  return { code, ...system.printed };
}

/** A line that is wrong only in what `args` add. */
const register = (...args: string[]): string[] => ["service", "register", ...args];
const complete = {
  EMPUSA_ETCD_ENDPOINT: "127.0.0.1:1",
  EMPUSA_TREE_ROOT: "/foo",
  EMPUSA_SERVICE_TYPE: "web",
  EMPUSA_SERVICE_NAME: "a",
  EMPUSA_SERVICE_LOCATION: "h:1",
};

function etcd3IsLoaded(): boolean {
  const cache = (Module as unknown as { _cache: Record<string, unknown> })._cache;
  return Object.keys(cache).some((path) => path.includes("/etcd3/"));
}

Deno.test("help is shown for every command, on standard output", async () => {
  for (
    const [args, usage] of [
      [["help"], "empusa <command>"],
      [["--tree-root", "/x", "help", "service"], "empusa service <command>"],
      [["--help"], "empusa <command>"],
      [["-h"], "empusa <command>"],
      [["help"], "empusa <command>"],
      [[], "empusa <command>"],
      [["service"], "empusa service <command>"],
      [["help", "service"], "empusa service <command>"],
      [["--tree-root", "help", "help", "service"], "empusa service <command>"],
      [["service", "--help"], "empusa service <command>"],
      [["service", "register", "--help"], "empusa service register [options]"],
      [["service", "unregister", "-h"], "empusa service unregister [options]"],
      [["help", "service", "list"], "empusa service list [options]"],
      [["--tree-root", "/foo", "service", "list", "--help"], "empusa service list [options]"],
      [["completions"], "empusa completions"],
      [["completions", "bash", "--help"], "empusa completions bash"],
    ] as const
  ) {
    const { code, stdout, stderr } = await cli(args);
    assertEquals({ args, code, stderr }, { args, code: 0, stderr: "" });
    assertMatch(stdout, new RegExp(`^Usage: +${RegExp.escape(usage)}`));
    assert(!stdout.includes("\x1b"), "no colour without a terminal");
    assert(!/ $/m.test(stdout), "no blanks at the end of a line");
  }
});

Deno.test("the help of a command names each option, its variable and an example", async () => {
  const { stdout } = await cli(["service", "register", "--help"]);
  for (
    const [option, variable] of [
      ["--etcd-endpoint", "EMPUSA_ETCD_ENDPOINT"],
      ["--etcd-protocol", "EMPUSA_ETCD_PROTOCOL"],
      ["--tree-root", "EMPUSA_TREE_ROOT"],
      ["--timeout", "EMPUSA_TIMEOUT"],
      ["--log-level", "EMPUSA_LOGLEVEL"],
      ["--service-type", "EMPUSA_SERVICE_TYPE"],
      ["--service-name", "EMPUSA_SERVICE_NAME"],
      ["--service-location", "EMPUSA_SERVICE_LOCATION"],
      ["--ttl", "EMPUSA_SERVICE_TTL"],
      ["--refresh-every", "EMPUSA_SERVICE_REFRESH_EVERY"],
    ] as const
  ) {
    assertStringIncludes(stdout, option);
    assertStringIncludes(stdout, variable);
  }
  assertStringIncludes(stdout, "empusa service register --service-type web");
});

Deno.test("the version is that of deno.json", async () => {
  for (const flag of ["--version", "-V"]) {
    const { stdout } = await cli([flag]);
    assertMatch(
      stdout.replace(`empusa ${config.version} (from source`, "").replace(
        `, Deno ${Deno.version.deno})\n`,
        "",
      ),
      /^(, commit [0-9a-f]{10})?$/,
    );
    assertEquals(await cli([flag]), { code: 0, stdout, stderr: "" });
    assertEquals(await cli(["--tree-root", "/foo", flag]), { code: 0, stdout, stderr: "" });
  }
});

Deno.test("what is wrong on the command line is one line, a hint and exit code 2", async () => {
  const wrong: [string[], string, string][] = [
    [["bogus"], 'unknown command "bogus"', "empusa --help"],
    [["--bogus"], 'unknown option "--bogus"', "empusa --help"],
    [["-x"], 'unknown option "-x"', "empusa --help"],
    [["service", "bogus"], 'unknown command "bogus"', "empusa service --help"],
    [["service", "list", "--nope"], 'unknown option "--nope"', "empusa service list --help"],
    [
      ["service", "list", "extra"],
      'no arguments allowed for command "empusa service list"',
      "empusa service list --help",
    ],
    [register("extra", "words"), "no arguments allowed", "empusa service register --help"],
    [["completions", "tcsh"], 'unknown command "tcsh"', "empusa completions --help"],
    [["--", "service", "list"], 'takes nothing after "--"', "empusa --help"],
    [["service", "list", "--", "extra"], 'takes nothing after "--"', "empusa service list --help"],
    [["service", "watch", "--"], 'a command must follow "--"', "empusa service watch --help"],
    [register("--ttl"), "--ttl (EMPUSA_SERVICE_TTL) needs a value", "empusa service register --help"],
    [register("--ttl="), "--ttl (EMPUSA_SERVICE_TTL) needs a value", "empusa service register --help"],
    [register("--ttl", ""), "--ttl (EMPUSA_SERVICE_TTL) needs a value", "empusa service register --help"],
    [
      register("--service-name", "--ttl", "30"),
      "--service-name (EMPUSA_SERVICE_NAME) needs a value",
      "empusa service register --help",
    ],
    [
      register("--service-name", "--help"),
      "--service-name (EMPUSA_SERVICE_NAME) needs a value",
      "empusa service register --help",
    ],
    [
      register("--ttl", "1", "--ttl", "2"),
      'option "--ttl" can only occur once',
      "empusa service register --help",
    ],
    [
      ["--tree-root", "a", "service", "list", "--tree-root", "b"],
      "can only occur once",
      "empusa service list --help",
    ],
  ];
  for (const [args, message, help] of wrong) {
    const { code, stdout, stderr } = await cli(args, complete);
    assertEquals({ args, code, stdout }, { args, code: 2, stdout: "" });
    const [first = "", second, end, ...more] = stderr.split("\n");
    assert(first.startsWith("empusa: "));
    assertStringIncludes(first, message);
    assertEquals([second, end, more], [`empusa: See "${help}"`, "", []]);
  }
});

Deno.test("what was meant is guessed where it is near", async () => {
  for (
    const [args, message] of [
      ["service lsit", 'unknown command "lsit". Did you mean command "list"?'],
      [
        "service list --sericve-type x",
        'unknown option "--sericve-type". Did you mean option "--service-type"?',
      ],
      ["frobnicate", 'unknown command "frobnicate"'],
      ["completions tcsh", 'unknown command "tcsh"'],
      ["service list --xyz", 'unknown option "--xyz"'],
    ] as const
  ) {
    assertEquals((await cli(args.split(" "))).stderr.split("\n")[0], `empusa: ${message}`);
  }
});

Deno.test("each value that breaks a rule names its option, its variable and the rule", async () => {
  const name = 'be 1 to 255 bytes of UTF-8 without "/", control characters, or blanks at the ends';
  const wrong: [string[], string][] = [
    [["--service-type", "a/b"], `--service-type (EMPUSA_SERVICE_TYPE) must ${name}, not "a/b"`],
    [["--service-name", " a"], `--service-name (EMPUSA_SERVICE_NAME) must ${name}, not " a"`],
    [
      ["--service-location", "a\nb"],
      "--service-location (EMPUSA_SERVICE_LOCATION) must be one line of 1 to 4096 bytes of UTF-8, not blank and " +
      'without control characters, not "a\\nb"',
    ],
    [
      ["--ttl", "-1"],
      '--ttl (EMPUSA_SERVICE_TTL) must be whole seconds, at least 1 and at most 9000000000, not "-1"',
    ],
    [
      ["--refresh-every", "1.5"],
      '--refresh-every (EMPUSA_SERVICE_REFRESH_EVERY) must be whole seconds, at least 1 and at most 1000000, or auto, not "1.5"',
    ],
    [
      ["--ttl", "30", "--refresh-every", "30"],
      "--refresh-every (EMPUSA_SERVICE_REFRESH_EVERY) must be less than --ttl (EMPUSA_SERVICE_TTL), " +
      "but 30 is not less than 30",
    ],
    [
      ["--etcd-endpoint", "localhost"],
      "--etcd-endpoint (EMPUSA_ETCD_ENDPOINT) must be HOST:PORT, such as localhost:2379, [::1]:2379 or " +
      'http://etcd-1:2379, not "localhost"',
    ],
  ];
  for (const [args, message] of wrong) {
    const { code, stderr } = await cli(register(...args), complete);
    assertEquals(code, 2);
    assertEquals(stderr, `empusa: ${message}\nempusa: See "empusa service register --help"\n`);
  }
});

Deno.test("what is missing is named by option and variable; an empty variable counts as unset", async () => {
  const all = "missing --etcd-endpoint (EMPUSA_ETCD_ENDPOINT), --tree-root (EMPUSA_TREE_ROOT), " +
    "--service-type (EMPUSA_SERVICE_TYPE), --service-name (EMPUSA_SERVICE_NAME), " +
    "--service-location (EMPUSA_SERVICE_LOCATION)";
  assertStringIncludes((await cli(register())).stderr, `${all}\n`);
  const empty = Object.fromEntries(Object.keys(complete).map((name) => [name, ""]));
  assertStringIncludes((await cli(register(), empty)).stderr, `${all}\n`);
  const { code, stderr } = await cli(register("--service-type", "web"), {
    ...complete,
    EMPUSA_SERVICE_NAME: "",
  });
  assertEquals([code, stderr.split("\n")[0]], [2, "empusa: missing --service-name (EMPUSA_SERVICE_NAME)"]);
});

Deno.test("no usage error, help or completion script loads the client of etcd; a command does", async () => {
  for (
    const args of [["--help"], ["--version"], ["service", "list", "--nope"], register("--ttl", "x"), ["help"]]
  ) {
    await cli(args, complete);
  }
  assertEquals(etcd3IsLoaded(), false);
  const away = { ...complete, EMPUSA_ETCD_ENDPOINT: `127.0.0.1:${freePorts(1)[0]}`, EMPUSA_TIMEOUT: "0.2" };
  assertEquals((await cli(["service", "list"], away)).code, 3);
  assertEquals(etcd3IsLoaded(), true);
});
