/** A Docker daemon of the test's own: its own folder and socket, no network, gone when the test is over. */
import { missingNamespaces, missingPrograms } from "./lacking.ts";
import { pause } from "./pause.ts";

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What keeps a daemon from running here, or undefined. */
export function missingDocker(): string | undefined {
  if (Deno.uid() !== 0) return "no root, for a Docker daemon";
  return missingPrograms("dockerd", "docker", "containerd", "runc") ?? missingNamespaces("--mount", "--pid");
}

/** The client that belongs to the daemon: machines may have another one too. */
async function client(): Promise<string> {
  const find = new Deno.Command("bash", {
    args: [
      "-c",
      'd=$(command -v dockerd); [[ $d == */sbin/dockerd ]] && d=${d%/*/*}/bin/dockerd; echo "${d%/*}/docker"',
    ],
  });
  const path = new TextDecoder().decode((await find.output()).stdout).trim();
  return await Deno.stat(path).then(() => path, () => "docker");
}

export class Docker implements AsyncDisposable {
  readonly #folder: string;
  readonly #client: string;
  readonly #daemon: Deno.ChildProcess;
  /** What the daemon said, when it has ended. */
  readonly #said: Promise<string>;
  #ended = false;

  private constructor(folder: string, client: string) {
    this.#client = client;
    this.#folder = folder;
    // Its mounts are its own, and end with it.
    this.#daemon = new Deno.Command("unshare", {
      args: [
        ...["--mount", "dockerd"],
        ...[`--data-root=${folder}/data`, `--exec-root=${folder}/exec`, `--pidfile=${folder}/pid`],
        ...[`--host=unix://${folder}/sock`, "--iptables=false", "--ip6tables=false", "--bridge=none"],
        ...[`--config-file=${folder}/config.json`, "--log-level=error"],
      ],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    this.#said = new Response(this.#daemon.stderr).text();
    this.#daemon.status.then(() => this.#ended = true);
  }

  /** Starts one, and resolves when it answers, within 30 s. */
  static async start(): Promise<Docker> {
    const folder = await Deno.makeTempDir({ prefix: "empusa-test-docker-" });
    await Deno.writeTextFile(`${folder}/config.json`, "{}");
    const docker = new Docker(folder, await client());
    for (
      const end = performance.now() + 30_000;
      performance.now() < end && !docker.#ended;
      await pause(100)
    ) {
      if ((await docker.run(["version"])).code === 0) return docker;
    }
    await docker[Symbol.asyncDispose]();
    throw new Error(`dockerd does not answer: ${await docker.#said}`);
  }

  /** Whether the client can build with BuildKit; a newer one cannot without its plug-in. */
  async hasBuildKit(): Promise<boolean> {
    const { stderr } = await this.run(["build", "--quiet", this.#folder], { DOCKER_BUILDKIT: "1" });
    return !stderr.includes("buildx component is missing");
  }

  /** Runs `docker ARGS` to its end. */
  async run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ran> {
    const { code, stdout, stderr } = await new Deno.Command(this.#client, {
      args: [`--host=unix://${this.#folder}/sock`, ...args],
      env: { ...env, HOME: this.#folder },
      stdin: "null",
    }).output();
    const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
    return { code, stdout: text(stdout), stderr: text(stderr) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#ended) this.#daemon.kill("SIGTERM");
    await this.#daemon.status;
    await this.#said;
    await Deno.remove(this.#folder, { recursive: true });
  }
}
