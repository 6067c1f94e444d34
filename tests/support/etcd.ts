/** Real etcds of the test's own: free ports, temporary data folders, gone when the test is over. */
import type { Signed } from "./certificates.ts";
import { isFrozen } from "./frozen.ts";
import { figure, put, transact } from "./gateway.ts";
import { pause, until } from "./pause.ts";
import { freePorts } from "./ports.ts";

export { freePorts } from "./ports.ts";

/** How an etcd is started. */
export interface EtcdOptions {
  /** With etcd's own election timeout of 1 s it grants no TTL under 2 s; without it, starting is quicker. */
  readonly slowElections?: boolean;
  /** Where it listens for clients. */
  readonly host?: string;
  /** The certificate with which it speaks TLS. */
  readonly tls?: Signed;
  /** The CA whose certificates it asks of clients. */
  readonly clientCa?: string;
  /** An empty folder for the data of the first one, instead of a temporary one of its own. */
  readonly firstFolder?: string;
  /** Further options of etcd's. */
  readonly args?: readonly string[];
}

/** Where one member of a cluster lives. */
interface Place {
  readonly name: string;
  readonly client: string;
  readonly peer: string;
  readonly metrics: string;
}

/** How often an etcd is started with other ports, and how often with the same ones. */
const [maxAttempts, maxEnds] = [3, 50];

/** A folder in memory, as etcd waits for the disk at each write and a busy disk takes seconds, if there is one. */
const memory = { dir: Deno.env.get("TESTS_MEMORY_FOLDER") ?? Deno.env.get("TMPDIR") ?? "/tmp" };

export class Etcd implements AsyncDisposable {
  readonly #folder: string;
  /** What it says. */
  readonly #log = Deno.makeTempFileSync({ prefix: "empusa-test-etcd-", suffix: ".log", ...memory });
  readonly #args: readonly string[];
  readonly #scheme: string;
  /** Plain http, whatever clients have to speak. */
  readonly #metrics: string;
  #process: Deno.ChildProcess;
  /** The last one that has ended. */
  #over: Deno.ChildProcess | undefined;
  /** `127.0.0.1:PORT` */
  readonly endpoint: string;

  private constructor(folder: string, place: Place, cluster: readonly Place[], options: EtcdOptions) {
    const { slowElections = false, tls, clientCa, args = [] } = options;
    this.#folder = folder;
    this.#scheme = tls === undefined ? "http" : "https";
    this.#metrics = `http://${place.metrics}`;
    this.endpoint = place.client;
    this.#args = [
      `--name=${place.name}`,
      `--data-dir=${folder}/data`,
      `--listen-client-urls=${this.#scheme}://${place.client}`,
      `--advertise-client-urls=${this.#scheme}://${place.client}`,
      `--listen-metrics-urls=${this.#metrics}`,
      `--listen-peer-urls=http://${place.peer}`,
      `--initial-advertise-peer-urls=http://${place.peer}`,
      `--initial-cluster=${cluster.map(({ name, peer }) => `${name}=http://${peer}`).join(",")}`,
      "--log-level=error",
      // The least: by default a login costs 80 ms of a processor.
      "--bcrypt-cost=4",
      ...slowElections ? [] : ["--heartbeat-interval=20", "--election-timeout=200"],
      ...tls === undefined ? [] : [`--cert-file=${tls.cert}`, `--key-file=${tls.key}`],
      ...clientCa === undefined ? [] : ["--client-cert-auth", `--trusted-ca-file=${clientCa}`],
      ...args,
    ];
    this.#process = this.#spawn();
  }

  /** Starts one alone, and resolves when it answers. */
  static async start(options: EtcdOptions = {}): Promise<Etcd> {
    const [etcd] = await Etcd.startAll(1, options) as [Etcd];
    return etcd;
  }

  /** Starts the members of a cluster, with other ports if one is taken, and resolves when all answer. */
  static async startAll(size: number, options: EtcdOptions = {}): Promise<Etcd[]> {
    for (let attempt = 1;; attempt++) {
      const members = await Etcd.#spawnAll(size, options);
      try {
        await Promise.all(members.map((member) => member.#untilItAnswers()));
        return members;
      } catch (error) {
        if (attempt === maxAttempts || options.firstFolder !== undefined) throw error;
        await Promise.all(members.map((member) => member[Symbol.asyncDispose]()));
      }
    }
  }

  static async #spawnAll(size: number, options: EtcdOptions): Promise<Etcd[]> {
    const ports = freePorts(3 * size);
    const places = Array.from({ length: size }, (_, i) => ({
      name: `etcd-${i}`,
      client: `${options.host ?? "127.0.0.1"}:${ports[3 * i]}`,
      peer: `127.0.0.1:${ports[3 * i + 1]}`,
      metrics: `127.0.0.1:${ports[3 * i + 2]}`,
    }));
    return await Promise.all(places.map(async (place, i) => {
      const given = i === 0 ? options.firstFolder : undefined;
      const folder = given ?? await Deno.makeTempDir({ prefix: "empusa-test-etcd-", ...memory });
      return new Etcd(folder, place, places, options);
    }));
  }

  /** The endpoint with its scheme. */
  get url(): string {
    return `${this.#scheme}://${this.endpoint}`;
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

  /** Puts many keys, quickly: by its JSON gateway, a hundred in one transaction. */
  async putMany(entries: readonly (readonly [key: string, value: string])[]): Promise<void> {
    for (let i = 0; i < entries.length; i += 100) {
      await transact(this.url, { success: entries.slice(i, i + 100).map(([key, value]) => put(key, value)) });
    }
  }

  /** How often an RPC was called, by the name of its method. */
  calls(method: string): Promise<number> {
    return this.#count("grpc_server_started_total", method);
  }

  /** How many messages came in for an RPC. */
  messages(method: string): Promise<number> {
    return this.#count("grpc_server_msg_received_total", method);
  }

  /** How often an RPC was answered, or refused. */
  answers(method: string): Promise<number> {
    return this.#count("grpc_server_handled_total", method);
  }

  #count(figure: string, method: string): Promise<number> {
    return this.figure(figure, `\\{.*grpc_method="${method}".*\\}`);
  }

  /** The sum of a figure of its metrics over its labels, as far as they match a pattern. */
  figure(name: string, labels?: string): Promise<number> {
    return figure(this.#metrics, name, labels);
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** Adds the user "root", with the password "rootpw", and the named ones, and asks everybody for a password. */
  async enableAuth(
    users: Readonly<Record<string, { password: string; right: string; prefix: string }>> = {},
  ): Promise<void> {
    await this.etcdctl("user", "add", "root:rootpw");
    await this.etcdctl("user", "grant-role", "root", "root");
    for (const [user, { password, right, prefix }] of Object.entries(users)) {
      await this.etcdctl("user", "add", `${user}:${password}`);
      await this.etcdctl("role", "add", user);
      await this.etcdctl("role", "grant-permission", user, right, "--prefix=true", prefix);
      await this.etcdctl("user", "grant-role", user, user);
    }
    await this.etcdctl("auth", "enable");
  }

  /** Gives a user another password, as root. */
  async changePassword(user: string, rootPassword: string, password: string): Promise<void> {
    const child = new Deno.Command("etcdctl", {
      args: [
        ...[`--endpoints=${this.endpoint}`, `--user=root:${rootPassword}`],
        ...["user", "passwd", user, "--interactive=false"],
      ],
      env: { ETCDCTL_API: "3" },
      stdin: "piped",
      stdout: "null",
    }).spawn();
    const input = child.stdin.getWriter();
    await input.write(new TextEncoder().encode(`${password}\n`));
    await input.close();
    if (!(await child.status).success) throw new Error(`etcdctl user passwd ${user} failed`);
  }

  /** Writes until its quota, a small one, is used up and it raises the alarm NOSPACE. */
  async fill(): Promise<void> {
    for (let i = 0; i < 100; i++) {
      try {
        await this.etcdctl("put", `/fill/${i}`, "x".repeat(50_000));
      } catch {
        return;
      }
    }
    throw new Error(`etcd at ${this.endpoint} is never full`);
  }

  /** Sends it a signal: SIGKILL ends it, SIGSTOP freezes it, SIGCONT thaws it. */
  async signal(signal: Deno.Signal): Promise<void> {
    this.#process.kill(signal);
    if (signal === "SIGKILL" || signal === "SIGTERM") await this.#process.status;
    // It may answer for a moment still: each of its threads is stopped by itself.
    if (signal === "SIGSTOP") await until("all of etcd is frozen", () => isFrozen(this.#process.pid));
  }

  /** Whether it leads its cluster, as far as it knows. */
  async leads(): Promise<boolean> {
    return await figure(this.#metrics, "etcd_server_is_leader", "", 500).catch(() => 0) === 1;
  }

  /** Forgets all its data, after it was ended. */
  async wipe(): Promise<void> {
    await Deno.remove(`${this.#folder}/data`, { recursive: true });
  }

  /** Starts it again, with the data that it has, after it was ended. */
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
    await Deno.remove(this.#log);
  }

  #spawn(): Deno.ChildProcess {
    // Deno has no way to send it to a file. What etcd says is shown if it does not answer.
    const script = 'exec etcd "$@" >"$0" 2>&1';
    const args = ["-c", script, this.#log, ...this.#args];
    const process = new Deno.Command("sh", { args, stdout: "null", stderr: "null" }).spawn();
    process.status.then(() => this.#over = process);
    return process;
  }

  /** Its cluster has a leader, and it serves clients. */
  async #untilItAnswers(): Promise<void> {
    let ends = 0;
    let last = "";
    // Nothing of it is shared with what another etcd left behind in this process.
    using client = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
    for (const deadline = Date.now() + 20_000; Date.now() < deadline && ends < maxEnds;) {
      try {
        const answer = await fetch(`${this.#metrics}/health`, { client, signal: AbortSignal.timeout(1000) });
        last = await answer.text();
        if (last.includes('"true"')) return;
      } catch (error) {
        last = `${error}`;
        // It does not listen yet; or it never will, because another program has one of its ports.
        if (this.#over === this.#process) {
          ends++;
          this.#process = this.#spawn();
        }
      }
      await pause(20);
    }
    const said = (await Deno.readTextFile(this.#log)).trim().split("\n").slice(-5).join("\n");
    throw new Error(`etcd at ${this.endpoint} does not answer, after ${ends} ends: ${last}\n${said}`);
  }
}

/** A cluster that is disposed of as a whole. */
export class Cluster implements AsyncDisposable {
  readonly members: readonly Etcd[];

  private constructor(members: readonly Etcd[]) {
    this.members = members;
  }

  static async start(size: number, options?: EtcdOptions): Promise<Cluster> {
    return new Cluster(await Etcd.startAll(size, options));
  }

  /** All endpoints, as `--etcd-endpoint` takes them. */
  get endpoints(): string {
    return this.members.map(({ url }) => url).join(",");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.members.map((member) => member[Symbol.asyncDispose]()));
  }
}
