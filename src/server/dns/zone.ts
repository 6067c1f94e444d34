/** The registry as a zone of DNS: what is true of a name, as the view has it now. */
import type { RegisteredInstance } from "../../registry/mod.ts";
import type { ServiceType } from "../catalog.ts";
import type { ReadableView } from "../view.ts";
import { ipOfReverse, isV6 } from "./ip.ts";
import { type Place, placeOf } from "./place.ts";
import { InstanceRecorder, type Item, type RecordData, types } from "./records.ts";
import { tagsOf, ZoneIndex } from "./zone_index.ts";

/** The codes of answers. */
export const rcodes = {
  noError: 0,
  formErr: 1,
  servFail: 2,
  nxDomain: 3,
  notImp: 4,
  refused: 5,
  badVers: 16,
} as const;

/** Seconds for which it may be remembered that something is not there. */
const negativeTtl = 1;

export interface ZoneAnswer {
  readonly rcode: number;
  /** Records of the name that was asked for. */
  readonly items: readonly Item[];
  /** The SOA record of the domain, if there is nothing to answer. */
  readonly soa?: RecordData;
  /** Whether the view still has it so. */
  readonly isCurrent: () => boolean;
}

export interface ZoneOptions {
  /** As `parseDomain` gives it. */
  readonly domain: string;
  /** The addresses at which the server can be asked. */
  readonly servers: () => readonly string[];
}

/** The instances of a type by what comes before it in a name, in small letters. */
interface Parts {
  readonly names: ReadonlyMap<string, readonly RegisteredInstance[]>;
  /** Those in use. */
  readonly tags: ReadonlyMap<string, readonly RegisteredInstance[]>;
}

/** What stands for all records of a name, where all are asked for (RFC 8482). */
const anyRecord: Item = {
  data: { type: types.HINFO, data: new TextEncoder().encode("\x07RFC8482\x00") },
};

export class Zone implements Disposable {
  readonly #view: ReadableView;
  readonly #domain: string;
  readonly #servers: ZoneOptions["servers"];
  readonly #recorder: InstanceRecorder;
  readonly #index: ZoneIndex;
  readonly #parts = new WeakMap<ServiceType, Parts>();
  /** The last one that was made, as those who ask for random names want it again and again. */
  #lastSoa: { readonly index: number; readonly data: RecordData } | undefined;

  constructor(view: ReadableView, { domain, servers }: ZoneOptions) {
    this.#view = view;
    this.#domain = domain;
    this.#servers = servers;
    this.#recorder = new InstanceRecorder(domain);
    this.#index = new ZoneIndex(view, this.#recorder);
  }

  [Symbol.dispose](): void {
    this.#index[Symbol.dispose]();
  }

  /** How many instances in use have something that DNS cannot tell. */
  get lacking(): number {
    return this.#view.services.types.flatMap(({ inUse }) => inUse)
      .filter((instance) => this.#recorder.of(instance).lacks).length;
  }

  /** Whether a name is the domain, or below it. */
  has(name: string): boolean {
    return name === this.#domain || name.endsWith(`.${this.#domain}`);
  }

  /**
   * What is true of a name.
   * @param name in small letters, without a final period
   * @param type the number of the type of records, or of a question for several
   */
  answer(name: string, type: number): ZoneAnswer {
    if (type === types.AXFR || type === types.IXFR) return this.#refused();
    if (!this.has(name)) return this.#reverse(name, type);
    const labels = name === this.#domain ? [] : name.slice(0, -this.#domain.length - 1).split(".");
    const place = placeOf(labels);
    const found = place === undefined ? undefined : this.#records(place, type);
    if (found === undefined) return this.#negative(rcodes.nxDomain);
    if (type === types.ANY) return this.#now({ rcode: rcodes.noError, items: [anyRecord] });
    const { items, of } = found;
    if (items.length === 0) return this.#negative(rcodes.noError);
    return of === undefined ? this.#now({ rcode: rcodes.noError, items }) : {
      rcode: rcodes.noError,
      items,
      isCurrent: () => this.#view.services.type(of.type) === of,
    };
  }

  /** The records that a place has; undefined if there is no such name. `of` is the one type that they depend on. */
  #records(place: Place, type: number): { items: readonly Item[]; of?: ServiceType } | undefined {
    switch (place.kind) {
      case "between":
        return { items: [] };
      case "apex":
        return { items: this.#apex(type) };
      case "tag":
        return this.#index.hasTag(place.tag) ? { items: [] } : undefined;
      case "server":
        return { items: addressItems(this.#servers(), type) };
      case "address":
        return this.#index.at(place.ip).length === 0 ? undefined : { items: addressItems([place.ip], type) };
      case "service":
      case "type":
        return this.#ofType(place, type);
    }
  }

  #apex(type: number): readonly Item[] {
    if (type === types.SOA) return [{ data: this.#soa() }];
    const glue = [...addressItems(this.#servers(), types.A), ...addressItems(this.#servers(), types.AAAA)];
    const ns = { type: types.NS, ns: `ns.addr.${this.#domain}` } as const;
    return type === types.NS ? [{ data: ns, glue: glue.map(({ data }) => data) }] : [];
  }

  #ofType(
    place: Place & { readonly kind: "type" | "service" },
    type: number,
  ): { items: readonly Item[]; of?: ServiceType } | undefined {
    const found = this.#index.types(place.type).map((one) => this.#view.services.type(one));
    const those = found.map((one) => this.#instances(one, place)).filter((some) => some !== undefined);
    if (those.length === 0) return undefined;
    const inUse = those.flat().filter(({ out }) => out === undefined);
    const items = place.kind === "service"
      ? type === types.SRV ? this.#services(inUse) : []
      : this.#ofInstances(inUse, type, place.part !== undefined);
    const [of, ...others] = found;
    return of === undefined || others.length > 0 ? { items } : { items, of };
  }

  /** The instances of a type that a place means; undefined if there is no such name. */
  #instances(
    type: ServiceType,
    place: Place & { readonly kind: "type" | "service" },
  ): readonly RegisteredInstance[] | undefined {
    const part = place.kind === "type" ? place.part : place.tag;
    if (part === undefined) return type.inUse.length === 0 ? type.instances : type.inUse;
    const { names, tags } = this.#partsOf(type);
    return (place.kind === "type" ? names.get(part) : undefined) ?? tags.get(part);
  }

  #partsOf(type: ServiceType): Parts {
    let parts = this.#parts.get(type);
    if (parts === undefined) this.#parts.set(type, parts = partsOf(type));
    return parts;
  }

  #ofInstances(inUse: readonly RegisteredInstance[], type: number, isPart: boolean): readonly Item[] {
    if (type === types.SRV) return this.#services(inUse);
    const all = inUse.map((instance) => this.#recorder.of(instance));
    if (type === types.TXT) {
      return isPart ? unique(all.flatMap(({ texts }) => texts.map((data) => ({ data })))) : [];
    }
    if (type !== types.A && type !== types.AAAA && type !== types.CNAME) return [];
    const [only, ...others] = all;
    if (only?.alias !== undefined && others.length === 0) return [{ data: only.alias }];
    return unique(all.flatMap(({ address }) => address?.type === type ? [{ data: address }] : []));
  }

  #services(inUse: readonly RegisteredInstance[]): readonly Item[] {
    return unique(
      inUse.map((instance) => this.#recorder.of(instance).service).filter((one) => one !== undefined),
    );
  }

  /** The names of the instances at an address. What else is not of the domain is refused. */
  #reverse(name: string, type: number): ZoneAnswer {
    const ip = type === types.PTR || type === types.ANY ? ipOfReverse(name) : undefined;
    const names = ip === undefined
      ? []
      : this.#index.at(ip).map((instance) => this.#recorder.nameOf(instance, ip));
    if (names.length === 0) return this.#refused();
    const items = [...new Set(names)].map((domain) => ({ data: { type: types.PTR, domain } as const }));
    return this.#now({ rcode: rcodes.noError, items: type === types.ANY ? [anyRecord] : items });
  }

  #refused(): ZoneAnswer {
    return this.#now({ rcode: rcodes.refused, items: [] });
  }

  #negative(rcode: number): ZoneAnswer {
    return this.#now({ rcode, items: [], soa: this.#soa() });
  }

  /** An answer that may be another one after any change. */
  #now(answer: Omit<ZoneAnswer, "isCurrent">): ZoneAnswer {
    const { index } = this.#view.services;
    return { ...answer, isCurrent: () => this.#view.services.index === index };
  }

  #soa(): RecordData {
    const { index } = this.#view.services;
    if (this.#lastSoa?.index === index) return this.#lastSoa.data;
    const data: RecordData = {
      type: types.SOA,
      primary: `ns.addr.${this.#domain}`,
      admin: `hostmaster.${this.#domain}`,
      serial: index % 2 ** 32,
      refresh: 60,
      retry: 10,
      expiration: 600,
      minimum: negativeTtl,
    };
    this.#lastSoa = { index, data };
    return data;
  }
}

function partsOf({ instances, inUse }: ServiceType): Parts {
  const names = new Map<string, RegisteredInstance[]>();
  const tags = new Map<string, RegisteredInstance[]>();
  const add = (map: Map<string, RegisteredInstance[]>, key: string, instance: RegisteredInstance): void => {
    const those = map.get(key);
    if (those === undefined) map.set(key, [instance]);
    else those.push(instance);
  };
  // A name in small letters is of its own instance alone.
  const exact = new Set(instances.map(({ name }) => name));
  for (const instance of instances) {
    const lower = instance.name.toLowerCase();
    if (lower === instance.name || !exact.has(lower)) add(names, lower, instance);
  }
  for (const instance of inUse) for (const tag of tagsOf(instance)) add(tags, tag, instance);
  return { names, tags };
}

function addressItems(ips: readonly string[], type: number): readonly Item[] {
  return ips
    .map((address) => ({ data: { type: isV6(address) ? types.AAAA : types.A, address } as const }))
    .filter(({ data }) => data.type === type);
}

/** Two records of one name must not be equal. */
function unique(items: readonly Item[]): readonly Item[] {
  const seen = new Map(items.map((item) => [JSON.stringify(item.data), item]));
  return [...seen.values()];
}
