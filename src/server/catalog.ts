/** All instances in memory, by type, each type with the index of its last change. */
import { compareInstances, type RegisteredInstance } from "../registry/mod.ts";
import { changed, placeOf } from "./sorted.ts";

/** One type of service, as it is at one index. It never changes: a change makes another one. */
export interface ServiceType {
  readonly type: string;
  /** The index of the last change of an instance of the type, its removal included. */
  readonly index: number;
  /** By name, those that are out of use too. Empty if the last one has gone. */
  readonly instances: readonly RegisteredInstance[];
  /** Those that are to be used. */
  readonly inUse: readonly RegisteredInstance[];
}

/** Types without an instance that are remembered, so that readers learn that the last one has gone. */
const mostEmptyTypes = 1000;

export class Catalog {
  readonly #types = new Map<string, ServiceType>();
  /** The types without an instance, the one that has been empty for longest first. */
  readonly #empty = new Set<string>();
  /** What is said of a type that was never seen, or is forgotten. */
  #floor = 0;
  #index = 0;
  #size = 0;
  #sorted: readonly ServiceType[] | undefined;

  /** Grows with each change. */
  get index(): number {
    return this.#index;
  }

  /** How many instances there are. */
  get size(): number {
    return this.#size;
  }

  /** By name, and those whose last instance has gone, as long as they are remembered. */
  get types(): readonly ServiceType[] {
    return this.#sorted ??= [...this.#types.values()].sort((a, b) => a.type < b.type ? -1 : 1);
  }

  /** All instances, by type and name. */
  get instances(): readonly RegisteredInstance[] {
    return this.types.flatMap(({ instances }) => instances);
  }

  /** One type; without instances if it is not known. */
  type(type: string): ServiceType {
    return this.#types.get(type) ?? serviceType(type, this.#floor, []);
  }

  get(type: string, name: string): RegisteredInstance | undefined {
    const wanted = { type, name } as RegisteredInstance;
    const { instances } = this.type(type);
    const found = instances[placeOf(instances, wanted, compareInstances)];
    return found !== undefined && compareInstances(found, wanted) === 0 ? found : undefined;
  }

  /** Takes in all instances that there are, of which nothing is known yet. */
  fill(instances: readonly RegisteredInstance[], index: number): void {
    this.#index = this.#floor = index;
    this.#size = instances.length;
    this.#sorted = undefined;
    for (const [type, ofType] of Map.groupBy(instances, ({ type }) => type)) {
      this.#types.set(type, serviceType(type, index, ofType.toSorted(compareInstances)));
    }
  }

  /** Takes in changes, each of another instance: it is as given, or gone. */
  change(changes: Iterable<readonly [item: RegisteredInstance, isThere: boolean]>, index: number): void {
    this.#index = index;
    this.#sorted = undefined;
    for (const [type, ofType] of Map.groupBy(changes, ([item]) => item.type)) {
      const before = this.type(type).instances;
      const after = changed(before, ofType, compareInstances);
      this.#size += after.length - before.length;
      this.#types.set(type, serviceType(type, index, after));
      this.#empty.delete(type);
      if (after.length === 0) this.#empty.add(type);
    }
    this.#forget();
  }

  /** Others may make up any number of types. */
  #forget(): void {
    for (const type of this.#empty) {
      if (this.#empty.size <= mostEmptyTypes) return;
      this.#floor = Math.max(this.#floor, this.type(type).index);
      this.#empty.delete(type);
      this.#types.delete(type);
    }
  }
}

function serviceType(type: string, index: number, instances: readonly RegisteredInstance[]): ServiceType {
  let inUse: readonly RegisteredInstance[] | undefined;
  return {
    type,
    index,
    instances,
    get inUse(): readonly RegisteredInstance[] {
      return inUse ??= instances.filter(({ out }) => out === undefined);
    },
  };
}
