/** Which keys a session watches, and which of its instances each of them concerns: the mark of a type concerns many. */
import type { Instance } from "../instance.ts";
import type { KeyWatch } from "./key_watch.ts";
import type { InstanceWriter } from "./writer.ts";

/** The most instances of a type whose keys are watched one by one. Of more, all keys of the type are watched as a whole. */
const mostByKey = 32;

/** How many keys of mirrors are watched of an instance that was changed: the newest. */
const mostMirrorKeys = 128;

/** The instances of one type. */
interface Type {
  /** Their raw keys. */
  readonly keys: Set<string>;
  isWhole: boolean;
}

export class FollowedKeys {
  readonly #writer: InstanceWriter;
  readonly #watch: KeyWatch;
  /** Every instance that was added and is not forgotten, by its raw key. */
  readonly #instances = new Map<string, Instance>();
  readonly #types = new Map<string, Type>();
  /** The keys of mirrors of each instance that has some; and the raw keys of the instances that each of them concerns. */
  readonly #mirrors = new Map<string, ReadonlySet<string>>();
  readonly #concerned = new Map<string, Set<string>>();
  /** The raw keys of those whose keys are yet to be watched. */
  readonly #waiting = new Set<string>();
  /** This user may not watch types as a whole. */
  #isByKey = false;

  constructor(writer: InstanceWriter, watch: KeyWatch) {
    this.#writer = writer;
    this.#watch = watch;
  }

  /**
   * Adds an instance, whose keys are watched from the next `followAll` on. Returns its raw key.
   * @throws {InvalidValueError} if its mirrors cannot express it
   */
  add(instance: Instance): string {
    const [key, ...others] = this.#writer.keysOf(instance);
    this.#instances.set(key, instance);
    this.#typeOf(instance.type).keys.add(key);
    const mirrors = others.filter((other) => this.#writer.ownerOf(other) === undefined);
    const all = new Set([...mirrors, ...this.#mirrors.get(key) ?? []]);
    this.#setMirrors(key, new Set([...all].slice(0, mostMirrorKeys)));
    this.#waiting.add(key);
    return key;
  }

  /** Has the keys of added instances watched: once they were written it is known which ones this user may read. */
  followAll(): void {
    for (const key of this.#waiting) {
      const instance = this.#instances.get(key);
      if (instance === undefined) continue;
      const type = this.#typeOf(instance.type);
      if (!type.isWhole && !this.#isByKey && type.keys.size > mostByKey) {
        this.#followWhole(instance.type, type);
      }
      if (!type.isWhole) { for (const own of this.#ownKeys(instance)) this.#watch.add(own); }
      for (const mirror of this.#mirrors.get(key) ?? []) this.#watch.add(mirror);
    }
    this.#waiting.clear();
  }

  /** Has every key watched by itself, if this user may not watch types as a whole. False if that is so already. */
  followByKey(): boolean {
    if (![...this.#types.values()].some(({ isWhole }) => isWhole)) return false;
    this.#isByKey = true;
    for (const [name, type] of this.#types) {
      if (!type.isWhole) continue;
      type.isWhole = false;
      for (const prefix of this.#writer.prefixesOf(name)) this.#watch.dropPrefix(prefix);
      for (const key of type.keys) this.#waiting.add(key);
    }
    this.followAll();
    return true;
  }

  /** Has nothing of an instance watched any longer. */
  forget(key: string): void {
    const instance = this.#instances.get(key);
    if (instance === undefined) return;
    this.#setMirrors(key, new Set());
    this.#instances.delete(key);
    this.#waiting.delete(key);
    const type = this.#typeOf(instance.type);
    type.keys.delete(key);
    const isLast = type.keys.size === 0;
    if (!type.isWhole) {
      for (const own of this.#ownKeys(instance)) if (isLast || !this.#isShared(own)) this.#watch.drop(own);
    } else if (isLast) {
      for (const prefix of this.#writer.prefixesOf(instance.type)) this.#watch.dropPrefix(prefix);
    }
    if (isLast) this.#types.delete(instance.type);
  }

  /** The raw keys of the instances that a key concerns. */
  concernedBy(key: string): readonly string[] {
    const owner = this.#writer.ownerOf(key);
    if (owner === undefined) return [...this.#concerned.get(key) ?? []];
    if (owner.name === "") return [...this.#types.get(owner.type)?.keys ?? []];
    const raw = this.#writer.keyOf(owner);
    return this.#instances.has(raw) ? [raw] : [];
  }

  /** The raw keys of all instances of the types that keys beginning like this belong to. */
  concernedBelow(prefix: string): Iterable<string> {
    return this.#types.get(this.#writer.ownerOf(prefix)?.type ?? "")?.keys ?? [];
  }

  /** The instance that was added under this raw key last. */
  instanceAt(key: string): Instance | undefined {
    return this.#instances.get(key);
  }

  #typeOf(name: string): Type {
    const type = this.#types.get(name) ?? { keys: new Set(), isWhole: false };
    this.#types.set(name, type);
    return type;
  }

  #followWhole(name: string, type: Type): void {
    type.isWhole = true;
    for (const prefix of this.#writer.prefixesOf(name)) this.#watch.addPrefix(prefix);
    for (const key of type.keys) {
      const instance = this.#instances.get(key);
      if (instance !== undefined) { for (const own of this.#ownKeys(instance)) this.#watch.drop(own); }
    }
  }

  /** The keys of an instance, without those of its mirrors. */
  #ownKeys(instance: Instance): string[] {
    return this.#writer.keysOf(instance).filter((key) => this.#writer.ownerOf(key) !== undefined);
  }

  /** Whether it is the mark of a type, which concerns others as well. */
  #isShared(key: string): boolean {
    return this.#writer.ownerOf(key)?.name === "";
  }

  /** Has these keys of mirrors, and no others, concern an instance. */
  #setMirrors(key: string, mirrors: ReadonlySet<string>): void {
    for (const mirror of mirrors) {
      const concerned = this.#concerned.get(mirror) ?? new Set();
      this.#concerned.set(mirror, concerned.add(key));
    }
    for (const mirror of this.#mirrors.get(key) ?? []) {
      const concerned = this.#concerned.get(mirror);
      if (mirrors.has(mirror) || concerned === undefined) continue;
      concerned.delete(key);
      if (concerned.size > 0) continue;
      this.#concerned.delete(mirror);
      this.#watch.drop(mirror);
    }
    if (mirrors.size > 0) this.#mirrors.set(key, mirrors);
    else this.#mirrors.delete(key);
  }
}
