/**
 * A netfilter queue that delays packets: iptables' NFQUEUE hands them to this process, which accepts them later or not
 * at all. It stands in for the qdisc netem, which many kernels lack. Speaks nfnetlink by itself, through libc.
 */

const functions = {
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  bind: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
  send: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
  recv: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize", nonblocking: true },
} as const;

const AF_NETLINK = 16;
const SOCK_RAW_CLOEXEC = 3 | 0o2000000;
const NETLINK_NETFILTER = 12;
const SOL_SOCKET = 1;
const SO_RCVBUFFORCE = 33;
const NLM_F_REQUEST = 1;

/** Messages of the queue's subsystem, which is the third. */
const PACKET = 0x300;
const VERDICT = 0x301;
const CONFIG = 0x302;

/** Attributes of those messages. */
const CFG_CMD = 1;
const CFG_PARAMS = 2;
const CFG_MAX_LENGTH = 3;
const PACKET_HEADER = 1;
const VERDICT_HEADER = 2;

const BIND = 1;
const COPY_NO_PAYLOAD = 1;
const DROP = 0;
const ACCEPT = 1;

/** The header of netlink, and that of netfilter behind it, in bytes. */
const headers = 16 + 4;
const maxQueued = 20_000;

/** What becomes of a packet: milliseconds until it goes on, or undefined where it is lost. */
export type Fate = () => number | undefined;

export class DelayQueue {
  readonly #libc = Deno.dlopen("libc.so.6", functions).symbols;
  readonly #descriptor: number;
  readonly #number: number;
  #fate: Fate = () => 0;

  /**
   * @param number of the queue, as in `iptables -j NFQUEUE --queue-num`
   * @throws {Error} where the kernel has no such queues, or this process may not have one
   */
  constructor(number: number) {
    this.#number = number;
    this.#descriptor = this.#libc.socket(AF_NETLINK, SOCK_RAW_CLOEXEC, NETLINK_NETFILTER);
    const address = new Uint8Array(12);
    address[0] = AF_NETLINK;
    if (this.#descriptor < 0 || this.#libc.bind(this.#descriptor, address, address.length) !== 0) {
      throw new Error("cannot open a socket of netfilter");
    }
    const room = new Uint8Array(new Uint32Array([8 << 20]).buffer);
    this.#libc.setsockopt(this.#descriptor, SOL_SOCKET, SO_RCVBUFFORCE, room, room.length);
    this.#send(CONFIG, CFG_CMD, [BIND, 0, 0, 0]);
    this.#send(CONFIG, CFG_PARAMS, [0, 0, 0, 0, COPY_NO_PAYLOAD]);
    this.#send(CONFIG, CFG_MAX_LENGTH, bytesOf(maxQueued));
    this.#receive();
  }

  /** Sets what becomes of the packets that come from now on. */
  set fate(fate: Fate) {
    this.#fate = fate;
  }

  async #receive(): Promise<void> {
    const buffer = new Uint8Array(1 << 16);
    for (;;) {
      const length = Number(await this.#libc.recv(this.#descriptor, buffer, BigInt(buffer.length), 0));
      // Too many packets at once: the kernel has dropped some, which is a fault like any other.
      if (length <= 0) continue;
      const message = new DataView(buffer.buffer, 0, length);
      for (let at = 0; at + headers <= length;) {
        const size = message.getUint32(at, true);
        if (size < headers) break;
        if (message.getUint16(at + 4, true) === PACKET) {
          this.#decide(packetId(message, at + headers, at + size));
        }
        at += (size + 3) & ~3;
      }
    }
  }

  #decide(id: number): void {
    const delay = this.#fate();
    if (delay === undefined) this.#answer(id, DROP);
    else if (delay <= 0) this.#answer(id, ACCEPT);
    else setTimeout(() => this.#answer(id, ACCEPT), delay);
  }

  #answer(id: number, verdict: number): void {
    this.#send(VERDICT, VERDICT_HEADER, [...bytesOf(verdict), ...bytesOf(id)]);
  }

  #send(type: number, attribute: number, content: readonly number[]): void {
    const size = headers + 4 + content.length;
    const bytes = new Uint8Array((size + 3) & ~3);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, bytes.length, true);
    view.setUint16(4, type, true);
    view.setUint16(6, NLM_F_REQUEST, true);
    // Netfilter's own numbers are big-endian.
    view.setUint16(headers - 2, this.#number);
    view.setUint16(headers, 4 + content.length, true);
    view.setUint16(headers + 2, attribute, true);
    bytes.set(content, headers + 4);
    this.#libc.send(this.#descriptor, bytes, BigInt(bytes.length), 0);
  }
}

function packetId(message: DataView, from: number, to: number): number {
  for (let at = from; at + 8 <= to;) {
    const size = message.getUint16(at, true);
    if (size < 4) break;
    if ((message.getUint16(at + 2, true) & 0x3fff) === PACKET_HEADER) return message.getUint32(at + 4);
    at += (size + 3) & ~3;
  }
  throw new Error("netfilter sent a packet without its header");
}

function bytesOf(number: number): number[] {
  return [number >>> 24, number >>> 16 & 255, number >>> 8 & 255, number & 255];
}
