/** Tells the service manager how we are, in the words of systemd's sd_notify(3). */
import type { System } from "../system.ts";

export class ServiceManager {
  readonly #system: Pick<System, "env" | "pid" | "sendDatagram">;
  #socket: string | undefined;
  readonly #onFailure: (error: Error) => void;

  /** @param onFailure is told of the first message that cannot be sent; then no more are tried */
  constructor(system: Pick<System, "env" | "pid" | "sendDatagram">, onFailure: (error: Error) => void) {
    this.#system = system;
    this.#socket = system.env("NOTIFY_SOCKET") || undefined;
    this.#onFailure = onFailure;
  }

  /** We do what we were started for. */
  ready(status: string): void {
    this.#send(`READY=1\nSTATUS=${status}`);
  }

  /** How we are, in one line. */
  status(status: string): void {
    this.#send(`STATUS=${status}`);
  }

  /** We are about to end. */
  stopping(): void {
    this.#send("STOPPING=1");
  }

  /** Says that we are alive, at half the time that the manager waits for that, where it asks for it. */
  watchdog(): Disposable {
    const microseconds = Number(this.#system.env("WATCHDOG_USEC"));
    const meant = this.#system.env("WATCHDOG_PID") || `${this.#system.pid}`;
    if (!(microseconds > 0) || meant !== `${this.#system.pid}`) return { [Symbol.dispose]: () => {} };
    const timer = setInterval(() => this.#send("WATCHDOG=1"), microseconds / 1000 / 2);
    return { [Symbol.dispose]: () => clearInterval(timer) };
  }

  #send(message: string): void {
    if (this.#socket === undefined) return;
    try {
      this.#system.sendDatagram(this.#socket, message);
    } catch (error) {
      this.#socket = undefined;
      this.#onFailure(error instanceof Error ? error : new Error(`${error}`));
    }
  }
}
