/**
 * A small network: hosts, each in a network namespace of its own, around a router, the namespace that this process is
 * in. Faults are rules of the router's packet filter. Members also have a second link, to this process alone, which
 * no fault touches: a process here sees the truth.
 */
import { until } from "../../tests/support/pause.ts";
import { run } from "./command.ts";
import { DelayQueue, type Fate } from "./delay_queue.ts";

/** The packet filter takes `c+` for all interfaces whose name begins with c: hosts are called c1 and n1. */
export const allClients = "c+";
export const allNodes = "n+";

const queueNumber = 0;

export class Host {
  /** Also the name of its namespace and of the router's end of its link. */
  readonly name: string;
  readonly #number: number;
  /** How often its address has changed. */
  #moves = 0;

  constructor(name: string, number: number) {
    this.name = name;
    this.#number = number;
  }

  /** Where other hosts reach it. */
  get address(): string {
    return `10.99.${this.#number}.${2 + this.#moves}`;
  }

  /** Where only this process reaches it, if it has such a link. */
  get observed(): string {
    return `10.98.${this.#number}.2`;
  }

  /** A command line that runs the given one on this host, as the same process. */
  command(...command: readonly string[]): [string, ...string[]] {
    return ["ip", "netns", "exec", this.name, ...command];
  }

  async connect({ observed }: { readonly observed: boolean }): Promise<void> {
    await run(`ip netns add ${this.name}`);
    await run(`ip -n ${this.name} link set lo up`);
    await this.#link(this.name, "eth0", "10.99");
    await run(`ip -n ${this.name} route add default via ${this.#gateway}`);
    if (observed) await this.#link(`o-${this.name}`, "eth1", "10.98");
  }

  /** Takes its link down at the host's end: programs there have no route at all. */
  async unplug(): Promise<void> {
    await run(`ip -n ${this.name} link set eth0 down`);
  }

  async plug(): Promise<void> {
    await run(`ip -n ${this.name} link set eth0 up`);
    // The kernel takes up to a second until packets pass.
    await until("the link is up", () => isUp(this.name, "eth0"));
    await until("the router's end is up", () => isUp(undefined, this.name));
    await run(`ip -n ${this.name} route add default via ${this.#gateway}`);
  }

  /** Gives it another address in place of the one it has, as a DHCP server may. */
  async renumber(): Promise<void> {
    await run(`ip -n ${this.name} addr del ${this.address}/24 dev eth0`);
    this.#moves = (this.#moves + 1) % 200;
    await run(`ip -n ${this.name} addr add ${this.address}/24 dev eth0`);
    await run(`ip -n ${this.name} route replace default via ${this.#gateway}`);
  }

  get #gateway(): string {
    return `10.99.${this.#number}.1`;
  }

  async #link(outer: string, inner: string, net: string): Promise<void> {
    await run(`ip link add name ${outer} type veth peer name ${inner} netns ${this.name}`);
    // Packets as long as on a wire: else one may hold 64 KiB, and limits of length and rate mean nothing.
    await run(`ip link set ${outer} gso_max_segs 1 up`);
    await run(`ip addr add ${net}.${this.#number}.1/24 dev ${outer}`);
    await run(`ip -n ${this.name} link set ${inner} gso_max_segs 1 up`);
    await run(`ip -n ${this.name} addr add ${net}.${this.#number}.2/24 dev ${inner}`);
  }
}

async function isUp(namespace: string | undefined, link: string): Promise<boolean> {
  const inside = namespace === undefined ? [] : ["-n", namespace];
  const args = [...inside, "-brief", "link", "show", link];
  const { stdout } = await new Deno.Command("ip", { args, stdin: "null" }).output();
  return new TextDecoder().decode(stdout).split(/\s+/)[1] === "UP";
}

/** One way between two interfaces of the router, or groups of them. */
export interface Way {
  readonly from: string;
  readonly to: string;
}

export class Network {
  readonly #queue = new DelayQueue(queueNumber);
  readonly #slow = new Set<Host>();

  static async create(): Promise<Network> {
    await run("ip link set lo up");
    await Deno.writeTextFile("/proc/sys/net/ipv4/ip_forward", "1");
    return new Network();
  }

  /** Applies a target of iptables to what passes on those ways, such as `DROP`. */
  async filter(ways: readonly Way[], ...rule: readonly string[]): Promise<void> {
    for (const { from, to } of ways) {
      await run(`iptables -w -A FORWARD -i ${from} -o ${to} ${rule.join(" ")}`);
    }
  }

  /** Delays and loses packets on those ways. */
  async queue(ways: readonly Way[], fate: Fate): Promise<void> {
    this.#queue.fate = fate;
    await this.filter(ways, "-j", "NFQUEUE", "--queue-num", `${queueNumber}`);
  }

  /** Limits the rate at which a host receives, in kbit/s. */
  async limit(host: Host, rate: number): Promise<void> {
    this.#slow.add(host);
    await run(`tc qdisc add dev ${host.name} root tbf rate ${rate}kbit burst 4kb latency 1s`);
  }

  /** Undoes all of the above. */
  async heal(): Promise<void> {
    await run("iptables -w -F FORWARD");
    this.#queue.fate = () => 0;
    for (const host of this.#slow) await run(`tc qdisc del dev ${host.name} root`);
    this.#slow.clear();
  }
}

export function bothWays(a: string, b: string): Way[] {
  return [{ from: a, to: b }, { from: b, to: a }];
}
