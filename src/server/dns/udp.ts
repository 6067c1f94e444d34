/** Answers over UDP. */
import type { Buffer } from "node:buffer";
import { createSocket, type Socket } from "node:dgram";
import type { TcpAddress } from "../http/address.ts";
import { isV6 } from "./ip.ts";
import { maxRequestBytes } from "./request.ts";
import type { Responder } from "./responder.ts";
import { ResponseLimit } from "./response_limit.ts";

/** The most answers that wait to be sent; while there are as many, questions are dropped, and asked again. */
const mostWaiting = 1000;

export interface UdpOptions {
  readonly responder: Pick<Responder, "answer" | "truncated">;
  /** A question failed, or an answer could not be sent. Must not throw. */
  readonly onFailure: (error: unknown) => void;
}

export class UdpServer implements AsyncDisposable {
  readonly #socket: Socket;
  readonly #options: UdpOptions;
  readonly #limit = new ResponseLimit();
  #waiting = 0;
  #isClosed = false;

  private constructor(host: string, options: UdpOptions) {
    this.#options = options;
    this.#socket = createSocket({
      type: isV6(host) ? "udp6" : "udp4",
      // In Deno 2.4 and 2.9, so long is the memory for each datagram, and nothing else: of 64 KiB, most time would go into that.
      recvBufferSize: maxRequestBytes + 1,
      // Where answers go is an address already.
      lookup: (ip, _options, found) => found(null, ip, isV6(ip) ? 6 : 4),
    });
  }

  /** @throws {Error} if it cannot listen there */
  static async open({ host, port }: Omit<TcpAddress, "kind">, options: UdpOptions): Promise<UdpServer> {
    const server = new UdpServer(host, options);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const socket = server.#socket;
    socket.once("error", reject);
    socket.bind({ address: host, port }, resolve);
    await promise;
    socket.off("error", reject);
    socket.on("error", options.onFailure);
    socket.on("message", (bytes, { address, port }) => server.#take(bytes, address, port));
    return server;
  }

  get port(): number {
    return this.#socket.address().port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#socket.close(() => resolve());
    await promise;
  }

  #take(bytes: Buffer, address: string, port: number): void {
    if (this.#waiting >= mostWaiting || port === 0 || this.#isClosed) return;
    try {
      const answer = this.#answer(bytes, address);
      if (answer !== undefined) this.#send(answer, address, port);
    } catch (error) {
      this.#options.onFailure(error);
    }
  }

  #answer(bytes: Buffer, address: string): Buffer | undefined {
    const { responder } = this.#options;
    const answer = responder.answer(bytes, "udp");
    if (answer === undefined || this.#limit.allows(address, bytes.length, answer.length)) return answer;
    return responder.truncated(bytes);
  }

  #send(answer: Buffer, address: string, port: number): void {
    this.#waiting++;
    this.#socket.send(answer, port, address, (error) => {
      this.#waiting--;
      if (error !== null && !this.#isClosed) this.#options.onFailure(error);
    });
  }
}
