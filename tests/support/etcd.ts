/** A real etcd of the test's own: a free port, a temporary data folder, gone when the test is over. */

/** How etcd is started. */
export interface EtcdOptions {
  /** With etcd's own election timeout of 1 s it grants no TTL under 2 s; without it, starting is quicker. */
  readonly slowElections?: boolean;
}

export class Etcd implements AsyncDisposable {
  readonly #folder: string;
  readonly #args: readonly string[];
  #process: Deno.ChildProcess;
  /** `127.0.0.1:PORT` */
  readonly endpoint: string;

  private constructor(folder: string, endpoint: string, args: readonly string[]) {
    this.#folder = folder;
    this.endpoint = endpoint;
    this.#args = args;
    this.#process = this.#spawn();
  }

  /** Starts one, and resolves when it answers. */
  static async start({ slowElections = false }: EtcdOptions = {}): Promise<Etcd> {
    const folder = await Deno.makeTempDir({ prefix: "empusa-test-etcd-" });
    const [client, peer] = freePorts(2).map((port) => `127.0.0.1:${port}`) as [string, string];
    const etcd = new Etcd(folder, client, [
      `--data-dir=${folder}/data`,
      `--listen-client-urls=http://${client}`,
      `--advertise-client-urls=http://${client}`,
      `--listen-peer-urls=http://${peer}`,
      `--initial-advertise-peer-urls=http://${peer}`,
      `--initial-cluster=default=http://${peer}`,
      "--log-level=error",
      ...slowElections ? [] : ["--heartbeat-interval=20", "--election-timeout=200"],
    ]);
    await etcd.#untilItAnswers();
    return etcd;
  }

  /** What `etcdctl ARGS` prints. */
  async etcdctl(...args: string[]): Promise<string> {
    const { success, stdout, stderr } = await new Deno.Command("etcdctl", {
      args: [`--endpoints=${this.endpoint}`, ...args],
      env: { ETCDCTL_API: "3" },
    }).output();
    if (!success) throw new Error(`etcdctl ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
    return new TextDecoder().decode(stdout);
  }

  /** Sends it a signal: SIGKILL ends it, SIGSTOP freezes it, SIGCONT thaws it. */
  async signal(signal: Deno.Signal): Promise<void> {
    this.#process.kill(signal);
    if (signal === "SIGKILL" || signal === "SIGTERM") await this.#process.status;
  }

  /** Starts it again, with the same data, after it was ended. */
  async restart(): Promise<void> {
    this.#process = this.#spawn();
    await this.#untilItAnswers();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#process.kill("SIGKILL");
    } catch {
      // It was ended by the test.
    }
    await this.#process.status;
    await Deno.remove(this.#folder, { recursive: true });
  }

  #spawn(): Deno.ChildProcess {
    const command = new Deno.Command("etcd", { args: [...this.#args], stdout: "null", stderr: "null" });
    return command.spawn();
  }

  async #untilItAnswers(): Promise<void> {
    let last: unknown;
    for (const deadline = Date.now() + 20_000; Date.now() < deadline;) {
      try {
        const answer = await fetch(`http://${this.endpoint}/health`, { signal: AbortSignal.timeout(1000) });
        if ((await answer.text()).includes('"true"')) return;
      } catch (error) {
        last = error;
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`etcd at ${this.endpoint} does not answer`, { cause: last });
  }
}

/** Ports nobody listens on, all different. */
export function freePorts(count: number): number[] {
  const listeners = Array.from({ length: count }, () => Deno.listen({ hostname: "127.0.0.1", port: 0 }));
  const ports = listeners.map((listener) => (listener.addr as Deno.NetAddr).port);
  for (const listener of listeners) listener.close();
  return ports;
}
