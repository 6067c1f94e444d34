/** Tests whether an endpoint accepts a TCP connection, and can give up. */
import { lookup } from "node:dns/promises";
import net from "node:net";
import { libc, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM } from "./libc.ts";
import { givesUpConnecting } from "./runtime.ts";
import { AF_INET, AF_INET6, socketAddress } from "./socket_address.ts";

/** Milliseconds between two looks at a connection that is being made. */
const every = 40;

const POLLOUT = 4;
const POLLERR = 8;
const POLLHUP = 16;

/**
 * Tries to connect until it is disposed of. The connection itself is closed again.
 * @param host a name, or an address without brackets
 * @param onEnd called once, later, with the outcome; never after disposal
 */
export function tryToConnect(host: string, port: number, onEnd: (isMade: boolean) => void): Disposable {
  if (givesUpConnecting || Deno.build.os !== "linux") return byDeno(host, port, onEnd);
  return new ByLibc(host, port, onEnd);
}

function byDeno(host: string, port: number, onEnd: (isMade: boolean) => void): Disposable {
  const socket = net.connect({ host, port });
  let isOver = false;
  const end = (isMade: boolean): void => {
    if (isOver) return;
    isOver = true;
    onEnd(isMade);
  };
  socket.once("connect", () => end(true));
  socket.on("error", () => end(false));
  return {
    [Symbol.dispose]: (): void => {
      isOver = true;
      socket.destroy();
    },
  };
}

/** Deno 2.4.2 never closes a connection that is given up while it is being made, so libc makes it. */
class ByLibc implements Disposable {
  readonly #onEnd: (isMade: boolean) => void;
  #descriptor: number | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isOver = false;

  constructor(host: string, port: number, onEnd: (isMade: boolean) => void) {
    this.#onEnd = onEnd;
    this.#begin(host, port).catch(() => this.#end(false));
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    if (this.#descriptor !== undefined) libc().close(this.#descriptor);
    this.#descriptor = undefined;
  }

  async #begin(host: string, port: number): Promise<void> {
    const { address, family } = await lookup(host);
    if (this.#isOver) return;
    const { socket, connect } = libc();
    const kind = family === 6 ? AF_INET6 : AF_INET;
    const descriptor = socket(kind, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return this.#end(false);
    this.#descriptor = descriptor;
    const there = socketAddress(address, kind, port);
    // It returns at once. #look sees the outcome.
    connect(descriptor, there, there.length);
    this.#look(descriptor);
  }

  #look(descriptor: number): void {
    // struct pollfd: descriptor, requested events, returned events.
    const about = new DataView(new ArrayBuffer(8));
    about.setInt32(0, descriptor, true);
    about.setInt16(4, POLLOUT, true);
    if (libc().poll(about, 1n, 0) === 0) {
      this.#timer = setTimeout(() => this.#look(descriptor), every);
      return;
    }
    this.#end((about.getInt16(6, true) & (POLLERR | POLLHUP)) === 0);
  }

  #end(isMade: boolean): void {
    if (this.#isOver) return;
    this[Symbol.dispose]();
    this.#onEnd(isMade);
  }
}
