/** Names, read as cheaply as possible: keys without values, and without the keys of types that are already known. */
import { Buffer } from "node:buffer";
import { instancePrefix } from "./instance.ts";
import type { Deadline, Store } from "./store.ts";

/** How many names there may be at most, and how many keys are read for them. */
const maxNames = 1000;
const maxKeys = 20_000;

/** Keys in one request. For types, a few at first: most types have more instances than that. */
const firstPageOfTypes = 100;
const largestPage = 2000;

const slash = 0x2f;

/**
 * The names of instances, of one type or of all.
 * @returns at most 1,000, in order, each once
 * @throws what `Store` throws
 */
export async function instanceNames(
  store: Store,
  treeRoot: string,
  begin: string,
  type: string | undefined,
  deadline: Deadline,
): Promise<string[]> {
  if (type !== undefined) {
    const isName = (text: string): boolean => text !== "" && !text.includes("/");
    return await namesBelow(store, instancePrefix(treeRoot, type), begin, isName, deadline);
  }
  const base = instancePrefix(treeRoot);
  const names = new Set<string>();
  for await (const key of keysBelow(store, base, deadline)) {
    const [, name, ...rest] = key.toString().slice(base.length).split("/");
    if (name?.startsWith(begin) && rest.length === 0) names.add(name);
    if (names.size === maxNames) break;
  }
  return [...names].sort();
}

/** The types of services. Likewise. */
export async function serviceTypes(
  store: Store,
  treeRoot: string,
  begin: string,
  deadline: Deadline,
): Promise<string[]> {
  return await firstParts(store, instancePrefix(treeRoot), begin, deadline);
}

/** The names below a prefix that begin with some text. Likewise. */
export async function namesBelow(
  store: Store,
  base: string,
  begin: string,
  isName: (text: string) => boolean,
  deadline: Deadline,
): Promise<string[]> {
  const names: string[] = [];
  for await (const key of keysBelow(store, `${base}${begin}`, deadline)) {
    const name = key.toString().slice(base.length);
    if (isName(name)) names.push(name);
    if (names.length === maxNames) break;
  }
  return names;
}

/** What stands in front of the slash. What follows one that is known is passed over, page by page. */
async function firstParts(store: Store, base: string, begin: string, deadline: Deadline): Promise<string[]> {
  const parts = new Set<string>();
  const start = Buffer.byteLength(base);
  const beyond = (key: Buffer): Buffer | undefined => {
    const end = key.indexOf(slash, start);
    return end < 0 ? undefined : Buffer.concat([key.subarray(0, end), Buffer.of(slash + 1)]);
  };
  for await (const key of keysBelow(store, `${base}${begin}`, deadline, beyond)) {
    const end = key.indexOf(slash, start);
    if (end >= 0) parts.add(key.subarray(start, end).toString());
    if (parts.size === maxNames) break;
  }
  // Not as etcd has them: it puts what follows a dash in front of what follows the slash.
  return [...parts].sort();
}

/** Keys that begin with a prefix, in order. `beyond` says where the next page begins, where that is not right behind the last key. */
async function* keysBelow(
  store: Store,
  prefix: string,
  deadline: Deadline,
  beyond?: (last: Buffer) => Buffer | undefined,
): AsyncGenerator<Buffer> {
  let from = Buffer.from(prefix);
  const first = beyond === undefined ? maxNames : firstPageOfTypes;
  for (let read = 0, size = first; read < maxKeys; size = Math.min(2 * size, largestPage)) {
    const keys = (await store.keys(prefix, from, size, deadline)).map((key) => Buffer.from(key));
    yield* keys;
    const last = keys.at(-1);
    if (last === undefined || keys.length < size) return;
    read += keys.length;
    from = Buffer.from(beyond?.(last) ?? Buffer.concat([last, Buffer.of(0)]));
  }
}
