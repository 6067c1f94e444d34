/** Reads questions, which anybody may have sent. */
import { Buffer } from "node:buffer";
import { Packet } from "dns2";
import { rcodes } from "./zone.ts";

/** The most bytes of a message that is read: a question with a name, options and padding has fewer. */
export const maxRequestBytes = 4096;

/** The least bytes of an answer that everybody takes, and the most that UDP carries without fragments anywhere. */
const [leastPayload, mostPayload] = [512, 1232];

/** The most records that a question may have beside it. */
const maxRecords = 8;

const classes = { IN: 1, ANY: 255 } as const;
const optType = 41;

/** A question that may be answered; or how it is refused. */
export interface Request {
  readonly opcode: number;
  readonly recursionDesired: boolean;
  /** `rcodes.noError` if it may be answered. */
  readonly rcode: number;
  /** The question as it was sent, to be sent back; empty if it cannot be read. */
  readonly question: Uint8Array;
  /** In small letters, without a final period. */
  readonly name: string;
  readonly type: number;
  /** What EDNS says, if it is spoken. */
  readonly edns: { readonly payload: number; readonly isDnssecOk: boolean } | undefined;
}

/**
 * @returns undefined if nothing must be answered: it is too short, too long, or an answer itself
 */
export function readRequest(bytes: Buffer): Request | undefined {
  if (bytes.length < Packet.HEADER_SIZE || bytes.length > maxRequestBytes) return undefined;
  const [flags, questions] = [bytes.readUInt16BE(2), bytes.readUInt16BE(4)];
  if ((flags & 0x8000) !== 0) return undefined;
  const opcode = (flags >>> 11) & 0xf;
  const basic = {
    opcode,
    recursionDesired: (flags & 0x100) !== 0,
    question: new Uint8Array(),
    name: "",
    type: 0,
    edns: undefined,
  };
  if (opcode !== 0) return { ...basic, rcode: rcodes.notImp };
  const records = bytes.readUInt16BE(6) + bytes.readUInt16BE(8) + bytes.readUInt16BE(10);
  // What the reader below has to do is bounded by this.
  if (questions !== 1 || records > maxRecords) return { ...basic, rcode: rcodes.formErr };
  return { ...basic, ...readParts(bytes) };
}

function readParts(bytes: Buffer): Partial<Request> & Pick<Request, "rcode"> {
  const { questions: [asked], additionals, errors } = Packet.parse(bytes);
  const question = asked === undefined ? undefined : bytesOf(bytes, asked.name);
  if (asked === undefined || question === undefined) return { rcode: rcodes.formErr };
  const options = additionals.filter(({ type }) => type === optType);
  const [option] = options;
  if (errors.length > 0 || options.length > 1 || (option !== undefined && option.name !== "")) {
    return { rcode: rcodes.formErr, question };
  }
  const edns = option === undefined ? undefined : {
    payload: Math.min(Math.max(option.class, leastPayload), mostPayload),
    isDnssecOk: option.doFlag === true,
  };
  const parts = { question, name: asked.name.toLowerCase(), type: asked.type, edns };
  if (option !== undefined && option.version !== 0) return { ...parts, rcode: rcodes.badVers };
  const isKnown = asked.class === classes.IN || asked.class === classes.ANY;
  return { ...parts, rcode: isKnown ? rcodes.noError : rcodes.refused };
}

/**
 * The question as it was sent. A name with pointers could only lead into the header, and a label with a period would look like
 * two: both are written otherwise than they were read, and refused.
 */
function bytesOf(bytes: Buffer, name: string): Uint8Array | undefined {
  const encoded = Packet.Name.encode(name);
  const end = Packet.HEADER_SIZE + encoded.length;
  if (!encoded.equals(bytes.subarray(Packet.HEADER_SIZE, end))) return undefined;
  return Uint8Array.from(bytes.subarray(Packet.HEADER_SIZE, end + 4));
}

/** The most bytes that an answer over UDP may have. */
export function udpLimit({ edns }: Request): number {
  return edns?.payload ?? leastPayload;
}
