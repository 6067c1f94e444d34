/** Random command lines and environments, carried out in this process: whatever is asked for, the answer is one of those that are documented. */
import { rootCommand } from "../../src/cli/tree.ts";
import { run } from "../../src/cli/run.ts";
import { type AnyCommand, type Setting, settingsOf } from "../../src/settings/settings.ts";
import { takesCommand } from "../../src/commands/shared/command.ts";
import { NotStarted } from "../../src/errors.ts";
import { system } from "../../src/system/mod.ts";
import { withEnv } from "./env.ts";
import { Random } from "./random.ts";
import { type FakeSystem, fakeSystem } from "./system.ts";

/** When what stays is asked to stop, and how long anything may take, in milliseconds. */
const staysFor = 300;
const longest = 15_000;

/** 0 to 9, as of a shell that cannot start a command, or 128 and the number of a signal. */
const documented = (code: number): boolean => code >= 0 && code <= 9 || [126, 127, 130, 143].includes(code);

/** What somebody, or a script that went wrong, may put in the place of any value. */
const values: readonly string[] = [
  ...["", " ", "x", "-", "--", "-1", "0", "1", "1.5", "0x10", "1e9", "9".repeat(400), "NaN", "Infinity"],
  ...[
    "a,b",
    ",",
    "a\\,b",
    "a b",
    " a",
    "a\nb",
    "a\tb",
    "\r",
    "\x1b[31m",
    "\x07",
    "\x9b",
    "\u202e",
    "é",
    "日本",
  ],
  ...[
    "/",
    "//",
    "/foo",
    "../..",
    "a/b",
    "~",
    "*",
    "**",
    "[",
    "[a-",
    "[!a]",
    "?",
    "{",
    "{}",
    "{hostname}",
    "{pid}",
    "{ip}",
  ],
  ...[
    "{ip:lo}",
    "{ip:nosuch}",
    "[{ip}]:80",
    "{x}",
    "localhost",
    "localhost:0",
    "localhost:99999",
    "[::1]:1",
    "::1",
    "h:1",
  ],
  ...[
    "http://",
    "http://[",
    "http://u:p@h:1",
    "https://127.0.0.1:1",
    "unix:/x",
    "unix:",
    "ftp://h:1",
    "127.0.0.1:1",
  ],
  ...[
    "yes",
    "no",
    "true",
    "maybe",
    "auto",
    "json",
    "table",
    "debug",
    "$(x)",
    "`x`",
    "'",
    '"',
    "%s",
    "\\",
    "--help",
    "=",
  ],
  ...[
    "__proto__",
    "constructor",
    "toString",
    "hasOwnProperty",
    "a".repeat(300),
    "a".repeat(5000),
    "*-".repeat(100) + "x",
  ],
];

/** What is never long, as nobody could end it. */
const timeouts: readonly string[] = ["0.3", "0", "-1", "", "x", "1e9", "0x10", "9".repeat(400)];

/** What is sound, by the placeholders of options; of others any word is. */
const sound: Readonly<Record<string, readonly string[]>> = {
  TYPE: ["web", "db", "$(x)", "-x"],
  NAME: ["a", "b", "{a", "日本", "*"],
  LOCATION: ["h:1", "127.0.0.1:1", "unix:/x", "http://h", "<x>"],
  SECONDS: ["1", "2", "10"],
  MILLISECONDS: ["0", "1", "50"],
  NUMBER: ["1", "2"],
  PERCENT: ["0", "50"],
  PATTERN: ["*", "w*", "[a-z]"],
  ADDRESS: ["127.0.0.1:1", "location"],
  URL: ["http://127.0.0.1:1/"],
  PATH: ["/fuzz", "/"],
};

/** Words that stand where nothing of the kind belongs. */
const noise: readonly string[] = [
  ...[
    "--nope",
    "-x",
    "-h",
    "--help",
    "-V",
    "--version",
    "help",
    "service",
    "switch",
    "list",
    "--=",
    "--no-strict",
    "-vvv",
  ],
];

/**
 * Carries out `count` lines that follow from the seed.
 * @param endpoint an etcd that may be written to
 * @param folder where files may be written
 * @returns what went wrong, each with the line that provokes it, and how many lines ended with each exit code
 */
export async function fuzzCommandLines(
  seed: number,
  count: number,
  { endpoint, folder }: { readonly endpoint: string; readonly folder: string },
): Promise<{ wrong: string[]; codes: Map<number | undefined, number> }> {
  const random = new Random(seed);
  const leaves = leavesOf(rootCommand({ system: fakeSystem(), onCall: () => {} } as never));
  const wrong: string[] = [];
  const codes = new Map<number | undefined, number>();
  for (let i = 0; i < count; i++) {
    const { args, env } = lineOf(random, random.oneOf(leaves), { endpoint, folder });
    const fake = boundedSystem(folder);
    const began = performance.now();
    const code = await carryOut(args, env, fake);
    const took = performance.now() - began;
    codes.set(code, (codes.get(code) ?? 0) + 1);
    const { stderr } = fake.printed;
    const complaints = [
      ...code === undefined ? ["it does not end"] : documented(code) ? [] : [`exit code ${code}`],
      ...code === 1 && !(args.includes("switch") && args.includes("test")) ? ["exit code 1"] : [],
      ...took > longest ? [`${Math.round(took)} ms`] : [],
      ...stderr.includes("unexpected failure") ? ["unexpected failure"] : [],
      // Where that is asked for, the cause is told in full.
      .../debug/.test(stderr) || stderr.split("\n").every((line) => /^(empusa: .*|\{.*|)$/.test(line))
        ? []
        : ["a line of nobody's"],
      // deno-lint-ignore no-control-regex -- that is what nobody wants to see
      .../[\x00-\x09\x0b-\x1f\x7f-\x9f]/.test(stderr) ? ["control characters"] : [],
    ];
    if (complaints.length > 0) {
      wrong.push(
        `seed ${seed}, line ${i}: ${complaints.join(", ")}: ${JSON.stringify({ args, env })} ${
          stderr.slice(0, 500)
        }`,
      );
    }
  }
  return { wrong, codes };
}

/** The exit code, or undefined where it does not come. */
async function carryOut(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  fake: FakeSystem,
): Promise<number | undefined> {
  using _env = withEnv(env);
  let late: ReturnType<typeof setTimeout> | undefined;
  const given = new Promise<undefined>((resolve) => late = setTimeout(resolve, 2 * longest, undefined));
  const code = await Promise.race([run(args, fake), given]);
  clearTimeout(late);
  return code;
}

/** The commands that do something, with the words that call them. */
function leavesOf(
  command: AnyCommand,
  path: readonly string[] = [],
): { path: readonly string[]; command: AnyCommand }[] {
  const children: AnyCommand[] = command.getCommands(true);
  if (children.length === 0) return [{ path, command }];
  return children.flatMap((child) => leavesOf(child, [...path, child.getName()]));
}

function lineOf(
  random: Random,
  { path, command }: { readonly path: readonly string[]; readonly command: AnyCommand },
  place: { readonly endpoint: string; readonly folder: string },
): { args: string[]; env: Record<string, string> } {
  const env: Record<string, string> = {
    EMPUSA_ETCD_ENDPOINT: place.endpoint,
    EMPUSA_TREE_ROOT: "/fuzz",
    EMPUSA_TIMEOUT: "0.3",
  };
  const args = [...path];
  const soundness = random.oneOf([0.4, 0.9, 1]);
  for (const setting of settingsOf(command)) {
    const likely = setting.required === true ? 0.6 + 0.4 * soundness : 0.15;
    if (random.next() > likely) continue;
    // What is about TLS and users does not go together with an endpoint that has neither.
    if (soundness === 1 && /^--(etcd|ca)-/.test(setting.flag)) continue;
    const value = valueOf(random, soundness, setting, place);
    if (random.next() < 0.3) env[setting.env] = value.replaceAll("\0", "");
    else if (setting.placeholder === undefined && random.next() < 0.8) args.push(setting.flag);
    else args.push(...random.next() < 0.3 ? [`${setting.flag}=${value}`] : [setting.flag, value]);
  }
  const operands = soundness === 1 ? command.getArguments().length : Math.floor(random.next() * 3);
  for (let i = 0; i < operands; i++) {
    args.push(random.oneOf(random.next() < soundness ? ["maintenance", "yes", "off", "a/b"] : values));
  }
  if (soundness < 1 && random.next() < 0.15) {
    args.splice(Math.floor(random.next() * args.length), 0, random.oneOf(noise));
  }
  if (soundness === 1 ? takesCommand(command) : random.next() < 0.3) {
    args.push("--", ...random.next() < 0.8 ? ["true", random.oneOf(values)] : []);
  }
  return { args, env };
}

function valueOf(
  random: Random,
  soundness: number,
  { flag, choices, placeholder }: Setting<unknown>,
  { endpoint, folder }: { readonly endpoint: string; readonly folder: string },
): string {
  if (flag === "--timeout") return random.oneOf(timeouts);
  if (random.next() < soundness) {
    if (choices !== undefined) return random.oneOf(choices);
    if (flag.endsWith("endpoint")) return endpoint;
    if (placeholder === "FILE") {
      return random.oneOf([`${folder}/out`, folder, "/nowhere/x", `${folder}/none`]);
    }
    return random.oneOf(sound[placeholder ?? ""] ?? ["yes", "web", "true"]);
  }
  return random.oneOf(values);
}

/** A system that starts nothing, writes into the folder alone, and asks what stays to stop. */
function boundedSystem(folder: string): FakeSystem {
  const real = system();
  return {
    ...fakeSystem(),
    // What would be written elsewhere is as if its folder did not exist.
    outputFile: (path) => real.outputFile(path.startsWith(folder) ? path : `${folder}/none/out`),
    readFile: (path) => path.startsWith("/dev/") ? Promise.resolve(new Uint8Array()) : Deno.readFile(path),
    spawn: () => {
      throw new NotStarted(127, "there is no such command", undefined);
    },
    sourceAddress: real.sourceAddress,
    networkInterfaces: real.networkInterfaces,
    interruption: () => {
      const controller = new AbortController();
      const timer = setTimeout(() => controller.abort("SIGTERM"), staysFor);
      return {
        signal: controller.signal,
        code: 143,
        [Symbol.dispose]: () => clearTimeout(timer),
      };
    },
    onSignals: (signals, listener) => {
      const timer = setInterval(() => signals.includes("SIGTERM") && listener("SIGTERM"), staysFor);
      return { [Symbol.dispose]: () => clearInterval(timer) };
    },
  };
}
