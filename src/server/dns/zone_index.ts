/** What is looked up by something else than type and name: kept up to date with each change, so that a look-up costs nothing. */
import { instanceId, noMetadata, type RegisteredInstance } from "../../registry/mod.ts";
import type { Publication, ReadableView } from "../view.ts";
import type { InstanceRecorder } from "./records.ts";

export class ZoneIndex implements Disposable {
  readonly #view: ReadableView;
  readonly #recorder: InstanceRecorder;
  readonly #subscription: Disposable;
  /** All instances that count below, as they were counted. */
  readonly #counted = new Map<string, RegisteredInstance>();
  readonly #byAddress = new Map<string, Map<string, RegisteredInstance>>();
  /** How many instances have a tag, in small letters. */
  readonly #tags = new Map<string, number>();
  /** Types with capital letters, by the same in small ones. */
  readonly #folded = new Map<string, Set<string>>();

  constructor(view: ReadableView, recorder: InstanceRecorder) {
    this.#view = view;
    this.#recorder = recorder;
    for (const instance of view.services.instances) this.#put(instance);
    this.#subscription = view.subscribe((publication) => this.#take(publication));
  }

  [Symbol.dispose](): void {
    this.#subscription[Symbol.dispose]();
  }

  /** The instances in use that have an IP address. */
  at(ip: string): readonly RegisteredInstance[] {
    return [...this.#byAddress.get(ip)?.values() ?? []];
  }

  /** Whether an instance in use has the tag, which is given in small letters. */
  hasTag(tag: string): boolean {
    return this.#tags.has(tag);
  }

  /** The types with instances that a label in small letters means: that of the same letters, else those of others. */
  types(label: string): readonly string[] {
    if (this.#view.services.type(label).instances.length > 0) return [label];
    return [...this.#folded.get(label) ?? []];
  }

  #take({ services: { put, deleted } }: Publication): void {
    for (const instance of deleted) this.#remove(instance);
    for (const instance of put) this.#put(instance);
  }

  #put(instance: RegisteredInstance): void {
    const { type, out } = instance;
    this.#forget(instance);
    if (type !== type.toLowerCase()) {
      const lower = type.toLowerCase();
      const types = this.#folded.get(lower);
      if (types === undefined) this.#folded.set(lower, new Set([type]));
      else types.add(type);
    }
    if (out !== undefined) return;
    const id = instanceId(instance);
    this.#counted.set(id, instance);
    const { ip } = this.#recorder.of(instance);
    if (ip !== undefined) {
      const those = this.#byAddress.get(ip);
      if (those === undefined) this.#byAddress.set(ip, new Map([[id, instance]]));
      else those.set(id, instance);
    }
    for (const tag of tagsOf(instance)) this.#tags.set(tag, (this.#tags.get(tag) ?? 0) + 1);
  }

  #remove(instance: RegisteredInstance): void {
    const { type } = instance;
    this.#forget(instance);
    if (type === type.toLowerCase() || this.#view.services.type(type).instances.length > 0) return;
    const lower = type.toLowerCase();
    const types = this.#folded.get(lower);
    types?.delete(type);
    if (types?.size === 0) this.#folded.delete(lower);
  }

  /** Takes back what was counted of the instance before. */
  #forget(instance: RegisteredInstance): void {
    const id = instanceId(instance);
    const before = this.#counted.get(id);
    if (before === undefined) return;
    this.#counted.delete(id);
    const { ip } = this.#recorder.of(before);
    const those = ip === undefined ? undefined : this.#byAddress.get(ip);
    those?.delete(id);
    if (ip !== undefined && those?.size === 0) this.#byAddress.delete(ip);
    for (const tag of tagsOf(before)) {
      const left = (this.#tags.get(tag) ?? 0) - 1;
      if (left > 0) this.#tags.set(tag, left);
      else this.#tags.delete(tag);
    }
  }
}

/** Its tags in small letters, each once. */
export function tagsOf({ metadata = noMetadata }: RegisteredInstance): Set<string> {
  return new Set(metadata.tags.map((tag) => tag.toLowerCase()));
}
