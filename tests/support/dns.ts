/** Questions of DNS, and what is answered. */
import { Buffer } from "node:buffer";
import { createSocket } from "node:dgram";
import { Packet } from "dns2";
import type { RegisteredInstance } from "../../src/registry/mod.ts";
import { types } from "../../src/server/dns/records.ts";
import { Responder, type ResponderOptions } from "../../src/server/dns/responder.ts";
import { RegistryView } from "../../src/server/mod.ts";

export interface Question {
  /** What EDNS says that an answer may have, if it is spoken. */
  readonly payload?: number;
  readonly version?: number;
  readonly flags?: number;
  readonly class?: number;
}

export type TypeName = keyof typeof types;

/** A question as bytes. Its ID is 4660. */
export function question(name: string, type: TypeName | number, options: Question = {}): Buffer {
  const { payload, version = 0, flags = 0x100, class: ofClass = 1 } = options;
  const packet = new Packet();
  packet.questions = [
    new Packet.Question({ name, type: typeof type === "number" ? type : types[type], class: ofClass }),
  ];
  if (payload !== undefined) {
    const fields = { udpPayloadSize: payload, version };
    packet.additionals = [new Packet.Resource({ ...Packet.Resource.EDNS([], fields), name: "" })];
  }
  const bytes = packet.toBuffer();
  bytes.writeUInt16BE(0x1234, 0);
  bytes.writeUInt16BE(flags, 2);
  return bytes;
}

/** An answer as it is read. */
export interface Read {
  readonly rcode: number;
  readonly flags: string;
  readonly question: string;
  /** `TTL TYPE DATA`, with the name in front of it if that is another one than was asked for; sorted. */
  readonly answers: readonly string[];
  readonly authorities: readonly string[];
  readonly additionals: readonly string[];
  readonly bytes: number;
}

type Record = InstanceType<typeof Packet.Resource>;

const flagBits: { readonly [name: string]: number } = { aa: 0x400, tc: 0x200, rd: 0x100, ra: 0x80 };

/** @throws {Error} if it is damaged */
export function read(bytes: Buffer): Read {
  const packet = Packet.parse(bytes);
  const [error] = packet.errors;
  if (error !== undefined) throw error;
  const flags = bytes.readUInt16BE(2);
  if (bytes.readUInt16BE(0) !== 0x1234 || (flags & 0x8000) === 0) throw new Error("that is no answer");
  const asked = packet.questions[0]?.name ?? "";
  const lines = (records: readonly Record[]): string[] => records.map((one) => line(one, asked)).sort();
  return {
    rcode: packet.header.rcode,
    flags: Object.keys(flagBits).filter((name) => (flags & (flagBits[name] ?? 0)) !== 0).join(" "),
    question: asked,
    answers: lines(packet.answers),
    authorities: lines(packet.authorities),
    additionals: lines(packet.additionals),
    bytes: bytes.length,
  };
}

function line(record: Record, asked: string): string {
  const { name, ttl, type, address, domain, ns, target, priority, weight, port, data } = record;
  const owner = name === asked ? "" : `${name} `;
  if (type === 41) return `OPT ${record.class} ${record.rdata?.length}`;
  const [text = `${type}`] = Object.entries(types).find(([, number]) => number === type) ?? [];
  const soa = `${record.primary} ${record.admin} ${record.serial} ${record.minimum}`;
  const shown = type === types.SRV
    ? `${priority} ${weight} ${port} ${target}`
    : type === types.SOA
    ? soa
    : address ?? domain ?? ns ?? `${data}`;
  return `${owner}${ttl} ${text} ${shown}`;
}

/** A view of these instances, by type, name and location, and what else there is to say. */
export function viewOf(
  ...instances:
    readonly (Partial<RegisteredInstance> & Pick<RegisteredInstance, "type" | "name" | "location">)[]
): RegistryView {
  const view = new RegistryView();
  view.takeServices({ kind: "snapshot", revision: 7, items: instances.map(registered) });
  view.takeSwitches({ kind: "snapshot", revision: 7, items: [] });
  view.heard("services");
  view.heard("switches");
  return view;
}

export function registered(
  instance: Partial<RegisteredInstance> & Pick<RegisteredInstance, "type" | "name" | "location">,
): RegisteredInstance {
  return { lease: undefined, createRevision: 1, modifyRevision: 1, ...instance } as RegisteredInstance;
}

/** What answers for the domain `z` from a view, at 127.0.0.1. */
export function responderOf(view: RegistryView, options: Partial<ResponderOptions> = {}): Responder {
  return new Responder(view, {
    domain: "z",
    ttl: 1,
    servers: () => ["127.0.0.1"],
    maxStale: undefined,
    ...options,
  });
}

/** What is answered to a question, over UDP if nothing is said. */
export function answerOf(
  responder: Responder,
  name: string,
  type: TypeName | number,
  options: Question & { readonly over?: "udp" | "tcp" } = {},
): Read {
  const answer = responder.answer(question(name, type, options), options.over ?? "udp");
  if (answer === undefined) throw new Error(`${name} was not answered`);
  return read(answer);
}

/** What a server on a port of 127.0.0.1 answers to bytes over UDP; undefined if that is nothing within some milliseconds. */
export async function askUdp(port: number, bytes: Buffer, ms = 10_000): Promise<Buffer | undefined> {
  const socket = createSocket("udp4");
  const { promise, resolve } = Promise.withResolvers<Buffer | undefined>();
  const late = setTimeout(() => resolve(undefined), ms);
  socket.on("message", resolve);
  socket.on("error", () => resolve(undefined));
  socket.send(bytes, port, "127.0.0.1");
  try {
    return await promise;
  } finally {
    clearTimeout(late);
    socket.close();
  }
}

/** A question with its length before it, as TCP has it. */
export function framed(bytes: Uint8Array): Uint8Array {
  return Uint8Array.of(bytes.length >>> 8, bytes.length & 0xff, ...bytes);
}

/** The next message of a connection; undefined if it ends instead. */
export async function nextMessage(conn: Deno.Conn): Promise<Buffer | undefined> {
  const head = await readExactly(conn, 2);
  return head === undefined ? undefined : await readExactly(conn, head.readUInt16BE(0));
}

async function readExactly(conn: Deno.Conn, length: number): Promise<Buffer | undefined> {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length;) {
    const more = await conn.read(bytes.subarray(at)).catch(() => null);
    if (more === null) return undefined;
    at += more;
  }
  return bytes;
}
