/** What an instance is in DNS. */
import { addressOf, ipOf, isHostName, noMetadata, type RegisteredInstance } from "../../registry/mod.ts";
import { isLabel, isTypeLabel } from "./domain.ts";
import { canonicalIp, hexOf, isV6 } from "./ip.ts";

/** The numbers of record types, and of those that are only asked for. */
export const types = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  HINFO: 13,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
} as const;

/** A record without its owner and TTL. One that is the same object is encoded once. */
export type RecordData =
  | { readonly type: typeof types.A | typeof types.AAAA; readonly address: string }
  | { readonly type: typeof types.CNAME | typeof types.PTR; readonly domain: string }
  | { readonly type: typeof types.NS; readonly ns: string }
  | { readonly type: typeof types.SRV; readonly target: string }
    & Readonly<
      Record<"priority" | "weight" | "port", number>
    >
  | { readonly type: typeof types.TXT; readonly data: readonly string[] }
  | { readonly type: typeof types.HINFO; readonly data: Uint8Array }
  | { readonly type: typeof types.SOA; readonly primary: string; readonly admin: string }
    & Readonly<
      Record<"serial" | "refresh" | "retry" | "expiration" | "minimum", number>
    >;

/** A record of an answer, with the addresses of the name that it leads to. */
export interface Item {
  readonly data: RecordData;
  readonly glue?: readonly RecordData[];
}

/** The records of one instance. */
export interface InstanceRecords {
  /** Its IP address, in its one form. */
  readonly ip: string | undefined;
  readonly address: RecordData | undefined;
  /** If it is at a host name. */
  readonly alias: RecordData | undefined;
  readonly service: Item | undefined;
  readonly texts: readonly RecordData[];
  /** Whether something of it cannot be told. */
  readonly lacks: boolean;
}

/** The most bytes of a character string. */
const maxText = 255;

/** Makes the records of instances, once for each as it is. */
export class InstanceRecorder {
  readonly #domain: string;
  readonly #made = new WeakMap<RegisteredInstance, InstanceRecords>();

  constructor(domain: string) {
    this.#domain = domain;
  }

  of(instance: RegisteredInstance): InstanceRecords {
    let made = this.#made.get(instance);
    if (made === undefined) this.#made.set(instance, made = this.#make(instance));
    return made;
  }

  /** The name that leads to the address of this instance alone, or to all that have its address. */
  nameOf({ type, name }: RegisteredInstance, ip: string): string {
    // Names are the same in any letters: capital ones may be those of another instance.
    const isOwn = isTypeLabel(type) && isLabel(name) && type === type.toLowerCase() &&
      name === name.toLowerCase();
    return isOwn ? `${name}.${type}.${this.#domain}` : `${hexOf(ip)}.addr.${this.#domain}`;
  }

  #make(instance: RegisteredInstance): InstanceRecords {
    const { location, metadata: { meta, weight } = noMetadata } = instance;
    const found = ipOf(location);
    const ip = found === undefined ? undefined : canonicalIp(found);
    const { host = "", port } = addressOf(location) ?? {};
    const address = ip === undefined
      ? undefined
      : { type: isV6(ip) ? types.AAAA : types.A, address: ip } as const;
    const named = ip === undefined && this.#isElsewhere(host) ? host.toLowerCase() : undefined;
    const target = ip === undefined ? named : this.nameOf(instance, ip);
    const texts = Object.entries(meta).map(([key, value]) => `${key}=${value}`);
    const fitting = texts.filter((text) => new TextEncoder().encode(text).length <= maxText);
    return {
      ip,
      address,
      alias: named === undefined ? undefined : { type: types.CNAME, domain: named },
      service: target === undefined || port === undefined ? undefined : {
        data: { type: types.SRV, priority: 1, weight, port, target },
        ...address === undefined ? {} : { glue: [address] },
      },
      texts: fitting.map((text) => ({ type: types.TXT, data: [text] })),
      lacks: target === undefined || fitting.length < texts.length || !isTypeLabel(instance.type),
    };
  }

  /** A host name below the domain could lead to itself. */
  #isElsewhere(host: string): boolean {
    return host !== "" && isHostName(host) && !`.${host.toLowerCase()}`.endsWith(`.${this.#domain}`);
  }
}
