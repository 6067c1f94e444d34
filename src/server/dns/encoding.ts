/**
 * Writes answers. The library encodes each record once, by itself; an answer is put together from those bytes, so that to
 * shuffle and to shorten one costs a copy. Names of owners are pointers: to the question, or to the record that leads to them.
 */
import { Buffer } from "node:buffer";
import { Packet } from "dns2";
import { type Item, type RecordData, types } from "./records.ts";
import type { Request } from "./request.ts";
import { rcodes, type ZoneAnswer } from "./zone.ts";

/** What UDP is said to carry, in bytes. */
const ownPayload = 1232;

const headerBytes = 12;
const pointerBytes = 2;

/** A pointer cannot lead further than this. */
const farthest = 0x3fff;

/** Where in a record without its owner the name is that it leads to, by type. */
const nameAt: Readonly<Record<number, number>> = { [types.NS]: 10, [types.SRV]: 16 };

/** A record without its owner, and those of the name that it leads to. */
interface Block {
  readonly bytes: Uint8Array;
  readonly glue: readonly Uint8Array[];
  /** Bytes of all of it, with its pointers. */
  readonly glueBytes: number;
}

/** The records of an answer, as bytes. */
export interface Encoded {
  readonly rcode: number;
  /** In an order that changes with each use. */
  readonly blocks: Block[];
  /** Bytes of all records that were asked for. */
  readonly size: number;
  readonly soa: Uint8Array | undefined;
}

/** Encodes answers of one zone. */
export class Encoder {
  readonly #ttl: number;
  readonly #negativeTtl = 1;
  /** How many bytes the domain has behind a question's name. */
  readonly #domainBytes: number;
  readonly #encoded = new WeakMap<RecordData, Uint8Array>();
  readonly #options = new Map<string, Uint8Array>();

  /** @param ttl seconds */
  constructor({ domain, ttl }: { readonly domain: string; readonly ttl: number }) {
    this.#ttl = ttl;
    this.#domainBytes = Packet.Name.encode(domain).length;
  }

  encode({ rcode, items, soa }: Pick<ZoneAnswer, "rcode" | "items" | "soa">): Encoded {
    const blocks = items.map((item) => this.#block(item));
    return {
      rcode,
      blocks,
      size: blocks.reduce((sum, { bytes }) => sum + pointerBytes + bytes.length, 0),
      soa: soa === undefined ? undefined : this.#bytes(soa, this.#negativeTtl),
    };
  }

  /**
   * An answer, shuffled.
   * @param id that of the question
   * @param limit the most bytes it may have; if not all records fit, it says so, and has as many as fit
   */
  answer(request: Request, { blocks, size, soa, rcode }: Encoded, id: number, limit: number): Buffer {
    const { question } = request;
    const option = this.#option(request, rcode);
    const soaBytes = soa === undefined ? 0 : pointerBytes + soa.length;
    const room = limit - headerBytes - question.length - option.length - soaBytes;
    const isAll = size <= room;
    const chosen = choose(blocks, room);
    const bytes = Buffer.allocUnsafe(Math.min(limit, limit - room + sizeOf(chosen, isAll)));
    const writer = new Writer(bytes, question);
    for (const { bytes } of chosen) writer.record(headerBytes, bytes);
    if (soa !== undefined) writer.record(headerBytes + question.length - 4 - this.#domainBytes, soa);
    const additional = isAll ? writer.glue(chosen, option.length) : 0;
    const length = writer.append(option);
    const counts = [chosen.length, soa === undefined ? 0 : 1, additional + (option.length > 0 ? 1 : 0)];
    writer.header(id, flagsOf(request, rcode, !isAll), counts);
    return bytes.subarray(0, length);
  }

  #block({ data, glue = [] }: Item): Block {
    const encoded = glue.map((one) => this.#bytes(one, this.#ttl));
    return {
      bytes: this.#bytes(data, data.type === types.SOA ? this.#negativeTtl : this.#ttl),
      glue: encoded,
      glueBytes: encoded.reduce((sum, { length }) => sum + pointerBytes + length, 0),
    };
  }

  #bytes(data: RecordData, ttl: number): Uint8Array {
    let bytes = this.#encoded.get(data);
    if (bytes === undefined) {
      const { data: raw } = data as { data?: Uint8Array | string[] };
      const fields = raw instanceof Uint8Array ? { ...data, data: Buffer.from(raw) } : data;
      const record = new Packet.Resource({ name: "", class: Packet.CLASS.IN, ttl, ...fields as object });
      bytes = withoutOwner(Packet.Resource.encode(record));
      this.#encoded.set(data, bytes);
    }
    return bytes;
  }

  /** The record of EDNS, if it was spoken. */
  #option({ edns }: Request, rcode: number): Uint8Array {
    if (edns === undefined) return new Uint8Array();
    const { isDnssecOk: doFlag } = edns;
    const key = `${rcode >>> 4} ${doFlag}`;
    let bytes = this.#options.get(key);
    if (bytes === undefined) {
      const fields = { udpPayloadSize: ownPayload, extendedRcode: rcode >>> 4, doFlag };
      const record = new Packet.Resource({ ...Packet.Resource.EDNS([], fields), name: "" });
      this.#options.set(key, bytes = Uint8Array.from(Packet.Resource.encode(record)));
    }
    return bytes;
  }
}

class Writer {
  readonly #bytes: Buffer;
  readonly #questions: number;
  #at = headerBytes;
  /** Where each record of the answer begins. */
  readonly #starts: number[] = [];

  constructor(bytes: Buffer, question: Uint8Array) {
    this.#bytes = bytes;
    this.#questions = question.length > 0 ? 1 : 0;
    this.append(question);
  }

  /** @returns where it ends */
  append(bytes: Uint8Array): number {
    this.#bytes.set(bytes, this.#at);
    return this.#at += bytes.length;
  }

  /** @param owner where the name of its owner is */
  record(owner: number, bytes: Uint8Array): void {
    this.#starts.push(this.#at);
    this.#at = this.#bytes.writeUInt16BE(0xc000 | owner, this.#at);
    this.append(bytes);
  }

  /**
   * Adds the addresses of the names that records lead to, as far as they fit.
   * @param reserved bytes that come behind
   * @returns how many
   */
  glue(blocks: readonly Block[], reserved: number): number {
    let count = 0;
    for (const [i, { bytes, glue, glueBytes }] of blocks.entries()) {
      if (glueBytes === 0) continue;
      const name = (this.#starts[i] ?? 0) + pointerBytes + (nameAt[bytes[1] ?? 0] ?? 0);
      if (name > farthest || this.#at + glueBytes + reserved > this.#bytes.length) break;
      for (const one of glue) this.record(name, one);
      count += glue.length;
    }
    return count;
  }

  header(
    id: number,
    flags: number,
    [answers = 0, authorities = 0, additionals = 0]: readonly number[],
  ): void {
    const fields = [id, flags, this.#questions, answers, authorities, additionals];
    for (const [i, field] of fields.entries()) this.#bytes.writeUInt16BE(field, 2 * i);
  }
}

/** Some of the blocks, at random, as many as fit; those are first then. */
function choose(blocks: Block[], room: number): Block[] {
  let [count, left] = [0, room];
  for (; count < blocks.length; count++) {
    const other = count + Math.floor(Math.random() * (blocks.length - count));
    const block = blocks[other] as Block;
    left -= pointerBytes + block.bytes.length;
    if (left < 0) break;
    blocks[other] = blocks[count] as Block;
    blocks[count] = block;
  }
  return blocks.slice(0, count);
}

function sizeOf(blocks: readonly Block[], withGlue: boolean): number {
  return blocks.reduce(
    (sum, { bytes, glueBytes }) => sum + pointerBytes + bytes.length + (withGlue ? glueBytes : 0),
    0,
  );
}

/** A record begins with its owner, which was given as the root: one byte. */
function withoutOwner(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from(bytes.subarray(1));
}

function flagsOf({ opcode, recursionDesired }: Request, rcode: number, isTruncated: boolean): number {
  const isOwn = rcode === rcodes.noError || rcode === rcodes.nxDomain;
  return 0x8000 | opcode << 11 | (isOwn ? 0x400 : 0) | (isTruncated ? 0x200 : 0) |
    (recursionDesired ? 0x100 : 0) | rcode & 0xf;
}
