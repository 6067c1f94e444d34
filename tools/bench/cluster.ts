/** A cluster of three under measurement, and the clients that are started for it. */
import { Cluster, type Etcd } from "../../tests/support/etcd.ts";
import { pause } from "../../tests/support/pause.ts";
import { program } from "../../tests/support/program.ts";
import { projectFile } from "../../tests/support/project.ts";
import { usage } from "../../tests/support/usage.ts";
import { TextLineStream } from "../lines.ts";
import { secondsUntil } from "./counting.ts";

/** How long clients settle, and how long is measured then, in milliseconds. */
const settling = 5000;
const window = 15_000;
/** Seconds until something must have happened. */
const patience = 300;

/** What clients cost that only stay. */
export interface Quiet {
  /** Messages a second that come in at all members. */
  readonly messages: number;
  readonly leases: number;
  readonly watchStreams: number;
  /** Per cent of a core, of the busiest member and of all. */
  readonly busiest: number;
  readonly all: number;
  /** MiB of all members. */
  readonly memory: number;
}

/** Many clients in one process. */
export interface Crowd {
  readonly begun: Promise<void>;
  /** Resolves when it writes that line. */
  readonly said: (line: string) => Promise<void>;
}

export class Measured implements AsyncDisposable {
  readonly #cluster: Cluster;
  readonly #clients: Deno.ChildProcess[] = [];

  private constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  static async start(): Promise<Measured> {
    const cluster = await Cluster.start(3, {
      slowElections: true,
      args: ["--quota-backend-bytes=4000000000"],
    });
    return new Measured(cluster);
  }

  get #first(): Etcd {
    return this.#cluster.members[0] as Etcd;
  }

  /** Starts `empusa ARGS` with this cluster. */
  empusa(...args: readonly string[]): void {
    const env = {
      EMPUSA_ETCD_ENDPOINT: this.#cluster.endpoints,
      EMPUSA_TREE_ROOT: "/many",
      EMPUSA_TIMEOUT: "60",
      EMPUSA_LOGLEVEL: "error",
    };
    const options: Deno.CommandOptions = { args: [...args], env, stdin: "null", stdout: "null" };
    this.#clients.push(new Deno.Command(program, options).spawn());
  }

  crowd(kind: "refreshers" | "watchers", first: number, count: number): Crowd {
    const child = new Deno.Command(projectFile("tools/run"), {
      args: ["bench/crowd", kind, this.#cluster.endpoints, `${first}`, `${count}`],
      stdin: "null",
      stdout: "piped",
    }).spawn();
    this.#clients.push(child);
    const waiting = new Map<string, PromiseWithResolvers<void>>();
    const line = (text: string): PromiseWithResolvers<void> => {
      const found = waiting.get(text) ?? Promise.withResolvers<void>();
      waiting.set(text, found);
      return found;
    };
    void (async (): Promise<void> => {
      const lines = child.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
      for await (const one of lines) line(one).resolve();
    })();
    const said = async (text: string): Promise<void> => {
      const late = Promise.withResolvers<void>();
      const timer = setTimeout(
        () => late.reject(new Error(`a crowd does not say: ${text}`)),
        patience * 1000,
      );
      await Promise.race([line(text).promise, late.promise]).finally(() => clearTimeout(timer));
    };
    return { begun: said("all have begun"), said };
  }

  /** Seconds until there are so many services. */
  async count(wanted: number): Promise<number> {
    return await secondsUntil(this.#first.url, "/many/service/", wanted, patience);
  }

  async put(key: string, value: string): Promise<void> {
    await this.#first.putMany([[key, value]]);
  }

  async #leases(): Promise<string[]> {
    return (await this.#first.etcdctl("lease", "list")).trim().split("\n").slice(1);
  }

  /** Revokes all leases, many at a time. */
  async revokeAll(): Promise<void> {
    const leases = await this.#leases();
    const revoke = async (lease: string): Promise<void> => {
      const body = JSON.stringify({ ID: `${BigInt(`0x${lease}`)}` });
      await (await fetch(`${this.#first.url}/v3/lease/revoke`, { method: "POST", body })).text();
    };
    for (let i = 0; i < leases.length; i += 50) await Promise.all(leases.slice(i, i + 50).map(revoke));
  }

  /** What the clients cost while nothing changes: from when they have written nothing for a while. */
  async quiet(): Promise<Quiet> {
    const { members } = this.#cluster;
    const sum = async (figure: (member: Etcd) => Promise<number>): Promise<number> =>
      (await Promise.all(members.map(figure))).reduce((all, one) => all + one, 0);
    const written = (): Promise<number> => sum((member) => member.messages("Txn"));
    for (let before = -1, now = await written(); now !== before; now = await written()) {
      before = now;
      await pause(settling);
    }
    const look = async (): Promise<{ messages: number; ticks: number[] }> => ({
      messages: await sum((member) => member.figure("grpc_server_msg_received_total")),
      ticks: members.map(({ pid }) => usage(pid).ticks),
    });
    const [before, from] = [await look(), performance.now()];
    await pause(window);
    const [after, seconds] = [await look(), (performance.now() - from) / 1000];
    const shares = after.ticks.map((ticks, i) => (ticks - (before.ticks[i] ?? 0)) / seconds);
    return {
      messages: (after.messages - before.messages) / seconds,
      leases: (await this.#leases()).length,
      watchStreams: await sum((member) => member.figure("etcd_debugging_mvcc_watch_stream_total")),
      busiest: Math.max(...shares),
      all: shares.reduce((all, one) => all + one, 0),
      memory: members.reduce((all, { pid }) => all + usage(pid).memory, 0),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client.kill("SIGKILL");
    await Promise.all(this.#clients.map(({ status }) => status));
    await this.#cluster[Symbol.asyncDispose]();
  }
}
