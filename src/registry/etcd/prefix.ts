import { Buffer } from "node:buffer";

/** The first key after all keys that begin with `prefix`, which must end in an ASCII character. */
export function endOfPrefix(prefix: string): Buffer<ArrayBuffer> {
  const end = Buffer.from(prefix);
  const last = end.length - 1;
  end[last] = (end[last] as number) + 1;
  return end;
}
