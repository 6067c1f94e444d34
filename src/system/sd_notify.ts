/** Notifies the service manager, by systemd's sd_notify(3). */
import { escapeControls, shorten } from "./escape.ts";
import type { Log } from "./log.ts";
import type { System } from "./mod.ts";

/** Milliseconds before a message that the manager did not accept is sent again, and the most messages to keep. */
const retryAfter = 500;
const maxPending = 10;

/** The most UTF-16 code units of a status. systemd drops messages over 4096 bytes. */
const longestStatus = 1000;

/** Each line of a message is an assignment, so foreign text must not begin a line. */
function statusLine(status: string): string {
  return `STATUS=${shorten(escapeControls(status), longestStatus)}`;
}

/** The service manager; a log gets what it cannot be told. */
export function serviceManager(system: System, log: Pick<Log, "warn">): ServiceManager {
  return new ServiceManager(system, (error) => {
    void log.warn(`cannot notify the service manager at $NOTIFY_SOCKET: ${error.message}`);
  });
}

export class ServiceManager implements Disposable {
  readonly #system: Pick<System, "env" | "pid" | "sendDatagram">;
  readonly #socket: string | undefined;
  readonly #onFailure: (error: Error) => void;
  /** Messages that are not sent yet, in order. */
  readonly #pending: string[] = [];
  #failing = false;
  #retry: ReturnType<typeof setTimeout> | undefined;

  /** @param onFailure called when messages cannot be sent, once until one succeeds; empusa retries them */
  constructor(system: Pick<System, "env" | "pid" | "sendDatagram">, onFailure: (error: Error) => void) {
    this.#system = system;
    this.#socket = system.env("NOTIFY_SOCKET") || undefined;
    this.#onFailure = onFailure;
  }

  /** Reports that empusa is ready. */
  ready(status: string): void {
    this.#send(`READY=1\n${statusLine(status)}`);
  }

  /** Reports a status, in one line. */
  status(status: string): void {
    this.#send(statusLine(status));
  }

  /** Reports that empusa reads its configuration again; `ready` ends that. */
  reloading(): void {
    this.#send("RELOADING=1");
  }

  /** Reports that empusa is stopping. */
  stopping(): void {
    this.#send("STOPPING=1");
  }

  /** If the manager asks for it, sends a keep-alive message at half of its watchdog interval. */
  watchdog(): Disposable {
    const microseconds = Number(this.#system.env("WATCHDOG_USEC"));
    const watched = this.#system.env("WATCHDOG_PID") || `${this.#system.pid}`;
    if (!(microseconds > 0) || watched !== `${this.#system.pid}`) return { [Symbol.dispose]: () => {} };
    const timer = setInterval(() => this.#try("WATCHDOG=1"), microseconds / 1000 / 2);
    return { [Symbol.dispose]: () => clearInterval(timer) };
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#retry);
  }

  /** Sends the message now or, if the manager does not accept it, later. */
  #send(message: string): void {
    this.#pending.push(message);
    if (this.#pending.length > maxPending) this.#pending.shift();
    this.#sendPending();
  }

  #sendPending(): void {
    clearTimeout(this.#retry);
    while (this.#pending[0] !== undefined && this.#try(this.#pending[0])) this.#pending.shift();
    if (this.#pending.length > 0) this.#retry = setTimeout(() => this.#sendPending(), retryAfter);
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
