/** A member of an etcd cluster, on a host of its own. */
import { pause } from "../../tests/support/pause.ts";
import { ask } from "./gateway.ts";
import type { Host } from "./network.ts";

const clientPort = 2379;
const peerPort = 2380;

/** How long a member may take to end, in milliseconds. */
const patience = 2000;

export class Member {
  readonly host: Host;
  readonly #args: readonly string[];
  #process: Deno.ChildProcess | undefined;

  /** @param folder for its data */
  constructor(host: Host, all: readonly Host[], folder: string) {
    const peer = ({ address }: Host): string => `http://${address}:${peerPort}`;
    this.host = host;
    this.#args = [
      `--name=${host.name}`,
      `--data-dir=${folder}/${host.name}`,
      `--listen-client-urls=http://0.0.0.0:${clientPort}`,
      `--advertise-client-urls=http://${this.endpoint}`,
      `--listen-peer-urls=${peer(host)}`,
      `--initial-advertise-peer-urls=${peer(host)}`,
      `--initial-cluster=${all.map((other) => `${other.name}=${peer(other)}`).join(",")}`,
      "--log-level=error",
    ];
  }

  /** Where clients reach it. */
  get endpoint(): string {
    return `${this.host.address}:${clientPort}`;
  }

  /** Where this process reaches it, whatever the fault. */
  get url(): string {
    return `http://${this.host.observed}:${clientPort}`;
  }

  start(): void {
    const [command, ...args] = this.host.command("etcd", ...this.#args);
    this.#process = new Deno.Command(command, { args, stdin: "null", stdout: "null", stderr: "null" })
      .spawn();
  }

  /** Ends it, and resolves when it has ended. One that is told politely waits for its streams: not for long here. */
  async end(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    this.#process?.kill(signal);
    const late = setTimeout(() => this.#process?.kill("SIGKILL"), patience);
    await this.#process?.status;
    clearTimeout(late);
  }

  freeze(): void {
    this.#process?.kill("SIGSTOP");
  }

  thaw(): void {
    this.#process?.kill("SIGCONT");
  }

  /** Resolves when it answers as one that has a quorum. */
  async answers(): Promise<void> {
    for (const deadline = Date.now() + 30_000; Date.now() < deadline;) {
      try {
        await ask(this.url, "kv/range", { key: btoa("\0") }, 300);
        return;
      } catch {
        await pause(20);
      }
    }
    throw new Error(`${this.host.name} does not answer within 30 s`);
  }
}

/** Moves the leadership to a member, if another has it. */
export async function moveLeader(members: readonly Member[], to: Member): Promise<void> {
  const { header, leader } = await ask(to.url, "maintenance/status", {}, 1000);
  const target = header?.member_id;
  if (target === undefined || leader === undefined || target === leader) return;
  for (const { url } of members) {
    // Only the leader does it.
    await ask(url, "maintenance/transfer-leadership", { targetID: target }, 1000).catch(() => {});
  }
}
