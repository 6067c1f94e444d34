/** A socket such as systemd gives to a service, which Deno itself cannot open: by a path, or abstract. */
import { pause } from "./pause.ts";

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const MSG_DONTWAIT = 0x40;

export class NotifySocket implements Disposable {
  readonly #libc = Deno.dlopen("libc.so.6", {
    socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
    bind: { parameters: ["i32", "buffer", "u32"], result: "i32" },
    recv: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
    close: { parameters: ["i32"], result: "i32" },
  });
  readonly #descriptor: number;
  /** All that came, in order. */
  readonly received: string[] = [];

  /** @param name a path, or an abstract address that begins with `@` */
  constructor(readonly name: string) {
    const path = new TextEncoder().encode(name.startsWith("@") ? `\0${name.slice(1)}` : `${name}\0`);
    const address = new Uint8Array([AF_UNIX, 0, ...path]);
    const { socket, bind } = this.#libc.symbols;
    this.#descriptor = socket(AF_UNIX, SOCK_DGRAM, 0);
    if (bind(this.#descriptor, address, address.length) !== 0) throw new Error(`cannot bind ${name}`);
  }

  /** Resolves when a message holds the text. */
  async got(text: string): Promise<void> {
    const buffer = new Uint8Array(4096);
    for (const deadline = Date.now() + 20_000; Date.now() < deadline;) {
      const length = Number(this.#libc.symbols.recv(this.#descriptor, buffer, 4096n, MSG_DONTWAIT));
      if (length > 0) this.received.push(new TextDecoder().decode(buffer.subarray(0, length)));
      else if (this.received.some((message) => message.includes(text))) return;
      else await pause(20);
    }
    throw new Error(`never got "${text}", but ${JSON.stringify(this.received)}`);
  }

  [Symbol.dispose](): void {
    this.#libc.symbols.close(this.#descriptor);
    this.#libc.close();
  }
}
