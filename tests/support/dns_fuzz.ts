/** Messages of DNS that are damaged, or never were any. */
import { Buffer } from "node:buffer";
import { question, type TypeName } from "./dns.ts";
import type { Random } from "./random.ts";

const names = [
  "web.z",
  "_web._tcp.z",
  "w1.web.z",
  "nothing.z",
  "z",
  "1.0.0.10.in-addr.arpa",
  "example.org",
  "",
];
const typeNames: readonly TypeName[] = [
  "A",
  "AAAA",
  "SRV",
  "TXT",
  "SOA",
  "NS",
  "PTR",
  "ANY",
  "AXFR",
  "CNAME",
];

/** Bytes that matter in names and lengths. */
const bytesOfNote = [0, 1, 12, 41, 63, 64, 127, 128, 192, 193, 255];

/** All questions that damage begins with. */
const sound: readonly Buffer[] = names.flatMap((name) =>
  typeNames.flatMap((type) => [
    question(name, type),
    ...[512, 1232, 65_535].map((payload) => question(name, type, { payload })),
  ])
);

/** One more message. */
export function damaged(random: Random): Buffer {
  const below = (limit: number): number => Math.floor(random.next() * limit);
  let bytes: Buffer = Buffer.from(random.oneOf(sound));
  for (let left = below(5); left > 0; left--) bytes = damage(bytes, random, below);
  return bytes;
}

function damage(bytes: Buffer, random: Random, below: (limit: number) => number): Buffer {
  const at = below(bytes.length);
  switch (below(7)) {
    case 0:
      bytes[at] = below(256);
      return bytes;
    case 1:
      bytes[at] = random.oneOf(bytesOfNote);
      return bytes;
    case 2:
      return bytes.subarray(0, at);
    case 3:
      return Buffer.concat([bytes, Buffer.from(Array.from({ length: below(40) }, () => below(256)))]);
    case 4: {
      // A pointer, mostly to where names are.
      const target = below(2) === 0 ? below(64) : below(0x4000);
      return Buffer.concat([
        bytes.subarray(0, at),
        Buffer.of(0xc0 | target >>> 8, target & 0xff),
        bytes.subarray(at + 2),
      ]);
    }
    case 5:
      // Twice the same, with more records than one announced.
      if (bytes.length > 11) bytes[below(4) * 2 + 5] = below(9);
      return Buffer.concat([bytes, bytes.subarray(at)]);
    default: {
      // Many pointers, each to the next one.
      const chain = Array.from(
        { length: below(500) },
        (_, i) => [0xc0 | bytes.length + 2 * i >>> 8, bytes.length + 2 * i & 0xff],
      );
      return Buffer.concat([bytes, Buffer.from(chain.flat())]);
    }
  }
}
