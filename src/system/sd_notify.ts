/** Tells the service manager how we are, in the words of systemd's sd_notify(3). */
import { escapeControls, shorten } from "./escape.ts";
import type { System } from "./mod.ts";

/** When a message is tried again that the manager had no room for, in milliseconds, and how many are kept. */
const retryAfter = 500;
const maxOwed = 10;

/** How much of a status is sent, in UTF-16 code units: systemd drops messages of more than 4096 bytes. */
const longestStatus = 1000;

/** Each line of a message is an assignment, so what others wrote must not begin one. */
function statusLine(status: string): string {
  return `STATUS=${shorten(escapeControls(status), longestStatus)}`;
}

export class ServiceManager implements Disposable {
  readonly #system: Pick<System, "env" | "pid" | "sendDatagram">;
  readonly #socket: string | undefined;
  readonly #onFailure: (error: Error) => void;
  /** What could not be sent yet, in order. */
  readonly #owed: string[] = [];
  #failing = false;
  #retry: ReturnType<typeof setTimeout> | undefined;

  /** @param onFailure is told when messages cannot be sent, once until they can; they are tried again */
  constructor(system: Pick<System, "env" | "pid" | "sendDatagram">, onFailure: (error: Error) => void) {
    this.#system = system;
    this.#socket = system.env("NOTIFY_SOCKET") || undefined;
    this.#onFailure = onFailure;
  }

  /** We do what we were started for. */
  ready(status: string): void {
    this.#send(`READY=1\n${statusLine(status)}`);
  }

  /** How we are, in one line. */
  status(status: string): void {
    this.#send(statusLine(status));
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
    const timer = setInterval(() => this.#try("WATCHDOG=1"), microseconds / 1000 / 2);
    return { [Symbol.dispose]: () => clearInterval(timer) };
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#retry);
  }

  /** Sends the message, if need be later. */
  #send(message: string): void {
    this.#owed.push(message);
    if (this.#owed.length > maxOwed) this.#owed.shift();
    this.#sendOwed();
  }

  #sendOwed(): void {
    clearTimeout(this.#retry);
    while (this.#owed[0] !== undefined && this.#try(this.#owed[0])) this.#owed.shift();
    if (this.#owed.length > 0) this.#retry = setTimeout(() => this.#sendOwed(), retryAfter);
  }

  #try(message: string): boolean {
    if (this.#socket === undefined) return true;
    try {
      this.#system.sendDatagram(this.#socket, message);
      this.#failing = false;
      return true;
    } catch (error) {
      if (!this.#failing) this.#onFailure(error instanceof Error ? error : new Error(`${error}`));
      this.#failing = true;
      return false;
    }
  }
}
