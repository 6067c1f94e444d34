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

export interface DockerSettings {
  /** Whether it has a network of its own, with a bridge, so that ports can be published. Else it has that of the machine. */
  readonly hasNetwork?: boolean;
  /** What stands in its configuration file. */
  readonly config?: Readonly<Record<string, unknown>>;
}

/** Reaps what a killed daemon leaves behind, as the first process of its namespace, which all others end with. */
const init = "trap : CHLD; while :; do sleep 3600 & wait $!; done";

export class Docker implements AsyncDisposable {
  readonly #folder: string;
  readonly #client: string;
  readonly #hasNetwork: boolean;
  /** Holds the namespaces, which outlive a daemon: its mounts and processes are its own. */
  readonly #holder: Deno.ChildProcess;
  #daemon: Deno.ChildProcess | undefined;
  /** What the daemon said, when it has ended. */
  #said: Promise<string> = Promise.resolve("");
  #ended = false;

  private constructor(folder: string, client: string, hasNetwork: boolean) {
    this.#client = client;
    this.#folder = folder;
    this.#hasNetwork = hasNetwork;
    this.#holder = new Deno.Command("unshare", {
      args: [
        ...["--mount", "--pid", "--fork", "--mount-proc", "--kill-child", ...hasNetwork ? ["--net"] : []],
        ...["bash", "-c", `echo ready; ${hasNetwork ? "ip link set lo up 2>/dev/null; " : ""}${init}`],
      ],
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
  }

  /** Starts one, and resolves when it answers, within 30 s. */
  static async start({ hasNetwork = false, config = {} }: DockerSettings = {}): Promise<Docker> {
    const folder = await Deno.makeTempDir({ prefix: "empusa-test-docker-" });
    await Deno.writeTextFile(`${folder}/config.json`, JSON.stringify(config));
    const docker = new Docker(folder, await client(), hasNetwork);
    const stdout = docker.#holder.stdout.getReader();
    await stdout.read();
    await stdout.cancel();
    await docker.startDaemon();
    return docker;
  }

  /** The Unix socket of the daemon. */
  get socket(): string {
    return `${this.#folder}/sock`;
  }

  /** Starts the daemon, and resolves when it answers, within 30 s. */
  async startDaemon(): Promise<void> {
    this.#ended = false;
    this.#daemon = new Deno.Command("nsenter", {
      args: [
        ...await this.#inside(),
        ...["dockerd", `--data-root=${this.#folder}/data`, `--exec-root=${this.#folder}/exec`],
        ...[`--pidfile=${this.#folder}/pid`, `--host=unix://${this.socket}`, "--log-level=error"],
        ...["--iptables=false", "--ip6tables=false", "--userland-proxy=false"],
        ...this.#hasNetwork ? [] : ["--bridge=none"],
        `--config-file=${this.#folder}/config.json`,
      ],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    this.#said = new Response(this.#daemon.stderr).text();
    this.#daemon.status.then(() => this.#ended = true);
    for (
      const end = performance.now() + 30_000;
      performance.now() < end && !this.#ended;
      await pause(100)
    ) {
      if ((await this.run(["version"])).code === 0) return;
    }
    await this[Symbol.asyncDispose]();
    throw new Error(`dockerd does not answer: ${await this.#said}`);
  }

  /** Sends the daemon a signal. With SIGTERM and SIGKILL, it resolves when the daemon has ended. */
  async signal(signal: "SIGTERM" | "SIGKILL" | "SIGSTOP" | "SIGCONT"): Promise<void> {
    const pid = (await Deno.readTextFile(`${this.#folder}/pid`)).trim();
    await new Deno.Command("nsenter", { args: [...await this.#inside(), "kill", "-s", signal.slice(3), pid] })
      .output();
    if (signal === "SIGTERM" || signal === "SIGKILL") await this.#daemon?.status;
  }

  /** The options of nsenter for the namespaces of the daemon. */
  async #inside(): Promise<string[]> {
    const { stdout } = await new Deno.Command("pgrep", { args: ["--parent", `${this.#holder.pid}`] })
      .output();
    const pid = new TextDecoder().decode(stdout).trim();
    return [`--target=${pid}`, "--mount", "--pid", ...this.#hasNetwork ? ["--net"] : []];
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
    if (!this.#ended) await this.signal("SIGTERM");
    this.#holder.kill("SIGKILL");
    await this.#holder.status;
    await this.#said;
    await Deno.remove(this.#folder, { recursive: true });
  }
}
