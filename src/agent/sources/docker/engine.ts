/** The daemon's API, as far as it is needed: every request has a deadline and a longest answer. */
import { Buffer } from "node:buffer";
import { type Container, fields, isId, type Listed, readContainer, readList, text } from "./container.ts";
import { type EngineEvent, eventFilters, readEvent } from "./events.ts";
import { get, type Reply } from "./http.ts";
import type { DockerSocket } from "./options.ts";

/** The longest answer, and the longest event, which has all labels of its container, in bytes. */
const longestAnswer = 64 * 2 ** 20;
const longestEvent = 2 ** 20;

/** The version of the API that this client was written for: Docker 25. Older ones as well have all that it asks for. */
const writtenFor = "1.44";

/** What the daemon says in place of an answer. */
class EngineError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(`it answers with status ${status}${message === "" ? "" : `: ${message}`}`);
    this.status = status;
  }
}

export class Engine {
  readonly #socket: DockerSocket;
  readonly #deadline: number;
  readonly #signal: AbortSignal;
  /** `/v1.41` */
  readonly #base: string;
  /** The daemon's time at the beginning, in seconds since 1970; undefined if it does not tell. */
  readonly #began: number | undefined;
  /** For people: `Docker 20.10.24`. */
  readonly name: string;

  private constructor(
    { socket, deadline, signal }: EngineOptions,
    { base, began, name }: {
      readonly base: string;
      readonly began: number | undefined;
      readonly name: string;
    },
  ) {
    this.#socket = socket;
    this.#deadline = deadline;
    this.#signal = signal;
    this.#base = base;
    this.#began = began;
    this.name = name;
  }

  /**
   * Agrees on a version with the daemon.
   * @throws {Error} where that fails; the message is the reason alone
   * @throws the reason of the signal
   */
  static async connect(options: EngineOptions): Promise<Engine> {
    return await within(options.deadline, options.signal, async (signal) => {
      const reply = await get(options.socket, "/version", signal);
      const answer = fields(await json(reply));
      const base = `/v${agreedVersion(text(answer["ApiVersion"]), text(answer["MinAPIVersion"]))}`;
      const began = Date.parse(reply.headers.get("date") ?? "") / 1000;
      const name = `Docker ${text(answer["Version"]).slice(0, 40)}`;
      return new Engine(options, { base, began: Number.isFinite(began) ? began : undefined, name });
    });
  }

  /** The containers that run. Throws as `connect` does. */
  async list(): Promise<Listed[]> {
    return readList(await this.#ask("/containers/json"));
  }

  /** A container, or undefined if there is none. Throws as `connect` does. */
  async inspect(id: string): Promise<Container | undefined> {
    if (!isId(id)) return undefined;
    try {
      return readContainer(await this.#ask(`/containers/${id}/json`));
    } catch (error) {
      if (error instanceof EngineError && error.status === 404) return undefined;
      throw error;
    }
  }

  /**
   * The events from now on, and those of the seconds before: a daemon subscribes a little after it has answered. Resolves
   * when it has answered. Lines that are no events are left out. Both throw as `connect` does.
   */
  async events(): Promise<AsyncGenerator<EngineEvent>> {
    const filters = encodeURIComponent(JSON.stringify(eventFilters));
    const since = this.#began === undefined ? "" : `&since=${this.#began}`;
    const path = `${this.#base}/events?filters=${filters}${since}`;
    const body = await within(this.#deadline, this.#signal, async (signal) => {
      const reply = await get(this.#socket, path, signal);
      // It throws what the answer says.
      if (reply.status !== 200) await json(reply);
      return reply.body;
    }, true);
    return readEvents(body);
  }

  async #ask(path: string): Promise<unknown> {
    return await within(this.#deadline, this.#signal, async (signal) => {
      return await json(await get(this.#socket, `${this.#base}${path}`, signal));
    });
  }
}

export interface EngineOptions {
  readonly socket: DockerSocket;
  /** Milliseconds for a request. */
  readonly deadline: number;
  /** Ends everything. */
  readonly signal: AbortSignal;
}

/**
 * Works until a time is up, or another signal is aborted.
 * @param goesOn whether what the work began goes on when it is done, until the other signal is aborted
 */
async function within<T>(
  ms: number,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
  goesOn = false,
): Promise<T> {
  signal.throwIfAborted();
  const over = new AbortController();
  const end = (): void => over.abort(signal.reason);
  const timer = setTimeout(() => over.abort(new Error(`it does not answer within ${ms / 1000} s`)), ms);
  signal.addEventListener("abort", end, { once: true });
  let isDone = false;
  try {
    const result = await work(over.signal);
    isDone = true;
    return result;
  } finally {
    clearTimeout(timer);
    if (!goesOn || !isDone) signal.removeEventListener("abort", end);
  }
}

async function json({ status, body }: Reply): Promise<unknown> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of body) {
    length += part.length;
    if (length > longestAnswer) throw new Error(`its answer is longer than ${longestAnswer / 2 ** 20} MiB`);
    parts.push(part);
  }
  let answer: unknown;
  try {
    answer = JSON.parse(Buffer.concat(parts).toString("utf8"));
  } catch {
    if (status === 200) throw new Error("its answer is no JSON: this is not Docker");
  }
  if (status === 200) return answer;
  throw new EngineError(status, text(fields(answer)["message"]).slice(0, 200));
}

async function* readEvents(body: AsyncIterable<Uint8Array>): AsyncGenerator<EngineEvent> {
  let parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of body) {
    let start = 0;
    for (let end; (end = part.indexOf(0x0a, start)) >= 0; start = end + 1) {
      parts.push(part.subarray(start, end));
      // Skips an event that is too long: the next list shows what it was about.
      const event = length > longestEvent ? undefined : readEvent(Buffer.concat(parts).toString("utf8"));
      if (event !== undefined) yield event;
      parts = [];
      length = 0;
    }
    length += part.length - start;
    if (length <= longestEvent) parts.push(part.subarray(start));
    else parts = [];
  }
  throw new Error("the stream of events ended");
}

/**
 * The version of the API that both sides speak: `writtenFor`, or the nearest that the daemon
 * has.
 * @throws {Error} if it names none
 */
export function agreedVersion(newest: string, oldest: string): string {
  if (!isVersion(newest)) throw new Error("it names no version of its API: this is not Docker");
  if (isOlder(newest, writtenFor)) return newest;
  return isVersion(oldest) && isOlder(writtenFor, oldest) ? oldest : writtenFor;
}

function isVersion(text: string): boolean {
  return /^\d{1,3}\.\d{1,3}$/.test(text);
}

function isOlder(a: string, b: string): boolean {
  const [[majorA = 0, minorA = 0] = [], [majorB = 0, minorB = 0] = []] = [a, b].map((version) =>
    version.split(".").map(Number)
  );
  return majorA === majorB ? minorA < minorB : majorA < majorB;
}
