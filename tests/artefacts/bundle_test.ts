/** The one file, as it comes from a web server. scripts/test says where that is. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Etcd } from "../support/etcd.ts";
import { connect } from "../support/program.ts";
import { projectFile } from "../support/project.ts";

const url = Deno.env.get("EMPUSA_BUNDLE_URL") ?? "";
const permissions = ["net", "env", "read", "write", "run", "ffi", "sys=hostname,networkInterfaces"];

async function output(
  program: string,
  args: readonly string[],
  env: Record<string, string>,
): Promise<string> {
  const { stdout, stderr } = await new Deno.Command(program, { args: [...args], env, stdin: "null" })
    .output();
  return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
}

Deno.test("it runs from an empty cache, with nothing beside it", async () => {
  await using etcd = await Etcd.start();
  const folder = await Deno.makeTempDir();
  const env = { ...connect(etcd), DENO_DIR: `${folder}/cache` };
  const run = ["run", "--quiet", "--no-prompt", ...permissions.map((name) => `--allow-${name}`), url];
  const register = "service register --service-type web --service-name a --service-location h:1 --ttl 30"
    .split(" ");
  assertEquals(
    await output(Deno.execPath(), [...run, ...register], env),
    "empusa: registered web/a at h:1, TTL 30 s\n",
  );
  assertEquals(
    await output(
      Deno.execPath(),
      [...run, "service", "get", "--service-type", "web", "--service-name", "a"],
      env,
    ),
    "h:1\n",
  );
  assertMatch(
    await output(Deno.execPath(), [...run, "--version"], env),
    /^empusa \S+ \((commit [0-9a-f]+\+?|no commit)(, packages from npm alone)?, Deno /,
  );
  await Deno.remove(folder, { recursive: true });
});

Deno.test("it is installed by deno install", async () => {
  await using etcd = await Etcd.start();
  const folder = await Deno.makeTempDir();
  const env = {
    ...connect(etcd),
    DENO_DIR: `${folder}/cache`,
    PATH: `${Deno.env.get("PATH")}:${Deno.execPath().replace(/\/[^/]*$/, "")}`,
  };
  const allowed = permissions.map((name) => `--allow-${name}`);
  const install = [
    "install",
    "--global",
    "--quiet",
    "--no-config",
    "--root",
    folder,
    "--name",
    "empusa",
    ...allowed,
    url,
  ];
  assertEquals(await output(Deno.execPath(), install, env), "");
  assertEquals(await output(`${folder}/bin/empusa`, ["service", "list"], env), "TYPE\tNAME\tLOCATION\tTTL\n");
  await Deno.remove(folder, { recursive: true });
});

Deno.test("the same sources give the same bytes, of at most 1.6 MB, with the servers as no text that a start reads", async () => {
  const folder = await Deno.makeTempDir();
  const bytes: Uint8Array[] = [];
  for (const name of ["one", "two"]) {
    const { success } = await new Deno.Command(projectFile("scripts/build"), {
      args: [`${folder}/${name}`],
      stderr: "null",
    }).output();
    assert(success);
    bytes.push(await Deno.readFile(`${folder}/${name}/empusa.js`));
  }
  assertEquals(bytes[0], bytes[1]);
  assert((bytes[0]?.length ?? 0) < 1_600_000, `${bytes[0]?.length} bytes`);
  const text = new TextDecoder().decode(bytes[0]);
  assert(!text.includes(projectFile("")), "it tells where it was made");
  // A route of the server, a source of the agent, and a message of the reader of definitions.
  for (const late of ["/v1/health/service/", "/containers/json", "YAMLParseError"]) {
    assert(!text.includes(late), `${late} is read at each start`);
  }
  assertStringIncludes(text, "LeaseGrant");
  const licences = await Deno.readTextFile(`${folder}/one/LICENSES.txt`);
  for (const name of ["Cliffy", "etcd3", "grpc-js", "bignumber.js", "dns2", "Deno", "V8", "ICU"]) {
    assertStringIncludes(licences, name);
  }
  await Deno.remove(folder, { recursive: true });
});
