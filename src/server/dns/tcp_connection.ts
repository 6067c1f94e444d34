/** One connection: answers the questions that come on it, one after the other. */
import { Buffer } from "node:buffer";
import type { Ends } from "../../system/hang_up.ts";
import type { Clock, Served } from "../accepting.ts";
import type { Conn } from "../http/connection.ts";
import { maxRequestBytes } from "./request.ts";
import type { Responder } from "./responder.ts";

/** Milliseconds until a connection is closed on which no question comes, or which takes nothing of an answer. */
export interface TcpLimits {
  readonly idleTimeout: number;
  readonly writeTimeout: number;
}

export const defaultTcpLimits: TcpLimits = { idleTimeout: 10_000, writeTimeout: 5000 };

const lengthBytes = 2;

/** What a connection shares with the others of its server. */
export interface TcpShared {
  readonly responder: Pick<Responder, "answer">;
  readonly limits: TcpLimits;
  readonly onFailure: (error: unknown) => void;
  readonly clock: Clock;
}

export class TcpConnection implements Served {
  readonly #conn: Conn;
  readonly #shared: TcpShared;
  readonly #buffer = Buffer.alloc(lengthBytes + maxRequestBytes);
  /** How many bytes there are of questions that are not answered yet. */
  #end = 0;
  #isOpen = true;
  #isWriting = false;
  #isStopping = false;
  deadline: number;

  constructor(conn: Conn, shared: TcpShared) {
    this.#conn = conn;
    this.#shared = shared;
    this.deadline = shared.clock.now + shared.limits.idleTimeout;
    conn.setNoDelay?.(true);
  }

  /** Whether it waits for a question. */
  get isIdle(): boolean {
    return !this.#isWriting;
  }

  get stuck(): Ends | undefined {
    const { localAddr, remoteAddr } = this.#conn;
    if (!this.#isWriting || localAddr.transport !== "tcp" || remoteAddr.transport !== "tcp") return undefined;
    return { localAddr, remoteAddr };
  }

  async serve(): Promise<void> {
    try {
      while (!this.#isStopping && await this.#fill() && await this.#answerAll());
    } catch {
      // The other side is gone, or was too slow.
    } finally {
      this.close();
    }
  }

  stop(): void {
    this.#isStopping = true;
    if (this.isIdle) this.close();
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    try {
      this.#conn.close();
    } catch {
      // It is closed.
    }
  }

  /** Reads more. Returns false at the end. */
  async #fill(): Promise<boolean> {
    const length = await this.#conn.read(this.#buffer.subarray(this.#end));
    this.#end += length ?? 0;
    return length !== null;
  }

  /** Answers all questions that are complete. Returns false if one cannot be answered. */
  async #answerAll(): Promise<boolean> {
    let at = 0;
    for (let next = this.#next(at); next !== undefined; next = this.#next(at)) {
      at += lengthBytes + next.length;
      const answer = next.length > maxRequestBytes ? undefined : this.#answer(next);
      if (answer === undefined) return false;
      await this.#write(answer);
    }
    this.#buffer.copyWithin(0, at, this.#end);
    this.#end -= at;
    // The next one would never be complete.
    return this.#end < lengthBytes || this.#buffer.readUInt16BE(0) <= maxRequestBytes;
  }

  #next(at: number): Buffer | undefined {
    if (this.#end - at < lengthBytes) return undefined;
    const end = at + lengthBytes + this.#buffer.readUInt16BE(at);
    return end > this.#end ? undefined : this.#buffer.subarray(at + lengthBytes, end);
  }

  #answer(bytes: Buffer): Buffer | undefined {
    try {
      return this.#shared.responder.answer(bytes, "tcp");
    } catch (error) {
      this.#shared.onFailure(error);
      return undefined;
    }
  }

  async #write(answer: Buffer): Promise<void> {
    const { limits, clock } = this.#shared;
    const framed = Buffer.allocUnsafe(lengthBytes + answer.length);
    framed.writeUInt16BE(answer.length);
    framed.set(answer, lengthBytes);
    this.#isWriting = true;
    for (let rest: Uint8Array = framed; rest.length > 0;) {
      this.deadline = clock.now + limits.writeTimeout;
      rest = rest.subarray(await this.#conn.write(rest));
    }
    this.#isWriting = false;
    this.deadline = clock.now + limits.idleTimeout;
  }
}
