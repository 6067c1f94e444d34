/** From the bytes of a question to the bytes of its answer. */
import type { Buffer } from "node:buffer";
import { whyUnready } from "../freshness.ts";
import type { ReadableView } from "../view.ts";
import { type Encoded, Encoder } from "./encoding.ts";
import { readRequest, type Request, udpLimit } from "./request.ts";
import { rcodes, Zone, type ZoneAnswer, type ZoneOptions } from "./zone.ts";

/** The most bytes of an answer over TCP. */
const tcpLimit = 65_535;

/** How many requests are remembered as they came, how long they may be, and how many answers. */
const [mostRequests, longestRequest, mostAnswers] = [4096, 160, 4096];

/** The most records of all answers that are kept. */
const mostRecords = 200_000;

/** What is put together for a name and type, as long as the view has it so. */
interface Kept {
  readonly encoded: Encoded;
  readonly isCurrent: ZoneAnswer["isCurrent"];
}

export interface ResponderOptions extends ZoneOptions {
  /** Seconds for which an answer may be remembered. */
  readonly ttl: number;
  /** Milliseconds without etcd after which there are no answers; undefined if there always are. */
  readonly maxStale: number | undefined;
}

export class Responder implements Disposable {
  readonly #view: ReadableView;
  readonly #maxStale: number | undefined;
  readonly #zone: Zone;
  readonly #encoder: Encoder;
  /** Those that asked the same bytes, but for the ID: most programs repeat themselves. */
  readonly #requests = new Map<string, Request>();
  readonly #answers = new Map<string, Kept>();
  #records = 0;
  /** How many answers had each code, and how many were truncated. */
  readonly counts = { byCode: new Map<number, number>(), truncated: 0 };

  constructor(view: ReadableView, options: ResponderOptions) {
    this.#view = view;
    this.#maxStale = options.maxStale;
    this.#zone = new Zone(view, options);
    this.#encoder = new Encoder(options);
  }

  [Symbol.dispose](): void {
    this.#zone[Symbol.dispose]();
  }

  /** How many instances in use have something that DNS cannot tell. */
  get lacking(): number {
    return this.#zone.lacking;
  }

  /**
   * The answer to a message.
   * @returns undefined if there is none
   */
  answer(bytes: Buffer, transport: "udp" | "tcp"): Buffer | undefined {
    const request = this.#request(bytes);
    if (request === undefined) return undefined;
    const limit = transport === "tcp" ? tcpLimit : udpLimit(request);
    return this.#write(request, this.#encoded(request), bytes.readUInt16BE(0), limit);
  }

  /** An answer that says only that it should be asked for over TCP, which is never longer than what was asked. */
  truncated(bytes: Buffer): Buffer | undefined {
    const request = this.#request(bytes);
    if (request === undefined) return undefined;
    const none = { rcode: rcodes.noError, blocks: [], size: Infinity, soa: undefined };
    return this.#write(request, none, bytes.readUInt16BE(0), udpLimit(request));
  }

  #write(request: Request, encoded: Encoded, id: number, limit: number): Buffer {
    const answer = this.#encoder.answer(request, encoded, id, limit);
    this.counts.byCode.set(encoded.rcode, (this.counts.byCode.get(encoded.rcode) ?? 0) + 1);
    if ((answer.readUInt16BE(2) & 0x200) !== 0) this.counts.truncated++;
    return answer;
  }

  #request(bytes: Buffer): Request | undefined {
    if (bytes.length > longestRequest) return readRequest(bytes);
    const key = bytes.toString("latin1", 2);
    const known = this.#requests.get(key);
    if (known !== undefined) return known;
    const request = readRequest(bytes);
    if (this.#requests.size >= mostRequests) this.#requests.clear();
    if (request !== undefined) this.#requests.set(key, request);
    return request;
  }

  #encoded(request: Request): Encoded {
    const { rcode, name, type } = request;
    if (rcode !== rcodes.noError) return this.#encoder.encode({ rcode, items: [] });
    const encoded = this.#answer(name, type);
    const isTold = encoded.rcode === rcodes.refused || whyUnready(this.#view, this.#maxStale) === undefined;
    return isTold ? encoded : this.#encoder.encode({ rcode: rcodes.servFail, items: [] });
  }

  #answer(name: string, type: number): Encoded {
    const key = `${type} ${name}`;
    const kept = this.#answers.get(key);
    if (kept?.isCurrent()) return kept.encoded;
    const answer = this.#zone.answer(name, type);
    const encoded = this.#encoder.encode(answer);
    this.#keep(key, { encoded, isCurrent: answer.isCurrent });
    return encoded;
  }

  /** Others may ask for any number of names. */
  #keep(key: string, kept: Kept): void {
    this.#records += kept.encoded.blocks.length - (this.#answers.get(key)?.encoded.blocks.length ?? 0);
    if (this.#answers.size >= mostAnswers || this.#records > mostRecords) {
      this.#answers.clear();
      this.#records = kept.encoded.blocks.length;
    }
    this.#answers.set(key, kept);
  }
}
