/** Processes of the program under test, each on a host of its own. */
import { TextLineStream } from "../lines.ts";
import type { Host } from "./network.ts";
import { WatchLog } from "./watch_log.ts";

export const treeRoot = "/partitions";
export const prefix = `${treeRoot}/service/`;
/** Seconds. */
export const ttl = 5;

/** What a client does, and the exit code with which SIGTERM ends it. */
const roles = {
  register: {
    code: 0,
    args: (name: string) => [
      ..."service register --service-type register --service-location h:1 --refresh-every auto".split(" "),
      "--service-name",
      name,
    ],
  },
  run: {
    code: 143,
    args: (name: string) => [
      ..."service run --service-type run --service-location h:1 --service-name".split(" "),
      ...[name, "--", "sleep", "100000"],
    ],
  },
  watch: { code: 0, args: (_name: string) => ["service", "watch"] },
} as const;

export type Role = keyof typeof roles;
export const allRoles = Object.keys(roles) as Role[];

/** What a process holds. */
export interface Vitals {
  readonly descriptors: number;
  /** Sockets whose other end has closed them. */
  readonly closeWait: number;
  /** MiB. */
  readonly memory: number;
}

export class Client {
  readonly role: Role;
  /** The role, and what runs it: `watch/source`. */
  readonly name: string;
  readonly host: Host;
  /** What a watch has told; empty for the other roles. */
  readonly watch = new WatchLog();
  readonly #process: Deno.ChildProcess;
  readonly #log: { readonly at: number; readonly line: string }[] = [];
  #code: number | undefined;

  /** @param variant how the program is run, also the name of the service */
  constructor(role: Role, variant: string, program: string, host: Host, endpoints: readonly string[]) {
    this.role = role;
    this.name = `${role}/${variant}`;
    this.host = host;
    const [command, ...args] = host.command(program, ...roles[role].args(variant));
    this.#process = new Deno.Command(command, {
      args,
      env: {
        EMPUSA_ETCD_ENDPOINT: endpoints.join(),
        EMPUSA_TREE_ROOT: treeRoot,
        EMPUSA_LOGLEVEL: "debug",
        ...role === "watch" ? {} : { EMPUSA_SERVICE_TTL: `${ttl}` },
      },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#process.status.then(({ code }) => this.#code = code);
    this.#read(this.#process.stdout, (line) => role === "watch" ? this.watch.take(line) : undefined);
    this.#read(this.#process.stderr, (line) => this.#log.push({ at: Date.now(), line }));
  }

  /** The key under which it is registered; undefined for a watch. */
  get key(): string | undefined {
    return this.role === "watch" ? undefined : `${prefix}${this.name}`;
  }

  /** Whether it has ended. */
  get hasEnded(): boolean {
    return this.#code !== undefined;
  }

  /** Tells it to end. Returns what is wrong with how it did, or undefined. */
  async end(): Promise<string | undefined> {
    if (this.#code !== undefined) return `ended by itself, with ${this.#code}`;
    this.#process.kill("SIGTERM");
    const late = setTimeout(() => this.#process.kill("SIGKILL"), 10_000);
    const { code } = await this.#process.status;
    clearTimeout(late);
    const expected = roles[this.role].code;
    return code === expected ? undefined : `exit code ${code} instead of ${expected} on SIGTERM`;
  }

  /** What it logged since then, each line with its seconds from `since`. */
  saidSince(since: number): string[] {
    return this.#log.filter(({ at }) => at >= since).map(({ at, line }) =>
      `${((at - since) / 1000).toFixed(2)} s: ${line}`
    );
  }

  async vitals(): Promise<Vitals> {
    const proc = `/proc/${this.#process.pid}`;
    let descriptors = 0;
    for await (const _ of Deno.readDir(`${proc}/fd`)) descriptors++;
    const status = await Deno.readTextFile(`${proc}/status`);
    // Of its network namespace, in which it is alone. 08 is CLOSE_WAIT.
    const sockets = await Deno.readTextFile(`${proc}/net/tcp`);
    return {
      descriptors,
      closeWait: sockets.split("\n").filter((line) => line.trim().split(/\s+/)[3] === "08").length,
      memory: Number(/^VmRSS:\s*(\d+)/m.exec(status)?.[1]) / 1024,
    };
  }

  async #read(stream: ReadableStream<Uint8Array<ArrayBuffer>>, take: (line: string) => void): Promise<void> {
    const lines = stream.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
    for await (const line of lines) take(line);
  }
}
