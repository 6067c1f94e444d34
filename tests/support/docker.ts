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
  return missingPrograms("dockerd", "docker", "containerd", "runc", "ip") ??
    missingNamespaces("--mount", "--pid", "--net");
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
  /** A port of 127.0.0.1 that it listens on as well. */
  readonly port?: number;
  /** What stands in its configuration file. */
  readonly config?: Readonly<Record<string, unknown>>;
}

/**
 * The first process of its namespace, with which all others end: it reaps what a killed daemon leaves behind, as bash does
 * while it waits for a command, and ends with the test, however that ends.
 */
const init = "echo ready; cat >/dev/null; :";

export class Docker implements AsyncDisposable {
  readonly #folder: string;
  readonly #client: string;
  readonly #settings: DockerSettings;
  /** Holds the namespaces, which outlive a daemon: its mounts and processes are its own. */
  readonly #holder: Deno.ChildProcess;
  #daemon: Deno.ChildProcess | undefined;
  /** What the daemon said, when it has ended. */
  #said: Promise<string> = Promise.resolve("");
  #ended = false;

  private constructor(folder: string, client: string, settings: DockerSettings) {
    this.#client = client;
    this.#folder = folder;
    this.#settings = settings;
    const { hasNetwork = false } = settings;
    this.#holder = new Deno.Command("unshare", {
      args: [
        ...["--mount", "--pid", "--fork", "--mount-proc", "--kill-child", ...hasNetwork ? ["--net"] : []],
        ...["bash", "-c", hasNetwork ? `ip link set lo up; ${init}` : init],
      ],
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
  }

  /** Starts one, and resolves when it answers, within 30 s. */
  static async start(settings: DockerSettings = {}): Promise<Docker> {
    const folder = await Deno.makeTempDir({ prefix: "empusa-test-docker-" });
    const docker = new Docker(folder, await client(), settings);
    await docker.configure(settings.config ?? {});
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
        ...this.#settings.hasNetwork === true ? [] : ["--bridge=none"],
        ...this.#settings.port === undefined
          ? []
          : [`--host=tcp://127.0.0.1:${this.#settings.port}`, "--tls=false"],
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
    await this.kill((await Deno.readTextFile(`${this.#folder}/pid`)).trim(), signal);
    // nsenter stops as its child does.
    if (signal === "SIGCONT") this.#daemon?.kill(signal);
    if (signal === "SIGTERM" || signal === "SIGKILL") await this.#daemon?.status;
  }

  /** Sends a signal to a process that the daemon knows by this ID, past the daemon. */
  async kill(pid: string, signal: Deno.Signal): Promise<void> {
    const args = [...await this.#inside(), "kill", "-s", signal.slice("SIG".length), pid];
    await new Deno.Command("nsenter", { args, stdout: "null", stderr: "null" }).output();
  }

  /** Replaces the configuration file, for the next start of the daemon. */
  async configure(config: Readonly<Record<string, unknown>>): Promise<void> {
    await Deno.writeTextFile(`${this.#folder}/config.json`, JSON.stringify(config));
  }

  /** Imports the image `tiny`, which has a shell, sleep and rm. */
  async importTiny(): Promise<void> {
    const script = `cd / && { printf '%s\\n' /bin/sh /bin/sleep /bin/rm
        ldd /bin/sh /bin/sleep /bin/rm | sed -n 's/.*[ \\t]\\(\\/[^ ]*\\) (0x.*/\\1/p' | sort -u
      } | tar --create --dereference --hard-dereference --absolute-names --files-from=- --file="$0"`;
    const tar = `${this.#folder}/tiny.tar`;
    await new Deno.Command("bash", { args: ["-c", script, tar] }).output();
    await this.do("import", tar, "tiny");
  }

  /** Runs `docker ARGS`, and returns its output. @throws {Error} if it fails */
  async do(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(args);
    if (code !== 0) throw new Error(`docker ${args.join(" ")}: ${stderr}`);
    return stdout.trim();
  }

  /** The options of nsenter for the namespaces of the daemon. */
  async #inside(): Promise<string[]> {
    const { stdout } = await new Deno.Command("pgrep", { args: ["--parent", `${this.#holder.pid}`] })
      .output();
    const pid = new TextDecoder().decode(stdout).trim();
    return [`--target=${pid}`, "--mount", "--pid", ...this.#settings.hasNetwork === true ? ["--net"] : []];
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
    if (!this.#ended) {
      // A test may have failed while the daemon was frozen.
      await this.signal("SIGCONT");
      await this.signal("SIGTERM");
    }
    await this.#holder.stdin.close();
    await this.#holder.status;
    await this.#said;
    await Deno.remove(this.#folder, { recursive: true });
  }
}
