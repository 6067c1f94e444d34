/** The last publications, for streams: those that go on from one of them are sent what they missed. */
import { asObject } from "../formats/json.ts";
import { instanceId, type RegisteredInstance, type Switch, switchName } from "../registry/mod.ts";
import type { RenderCache } from "./render_cache.ts";
import type { Publication, ReadableView } from "./view.ts";

/** How many publications are kept, and how many items in them. */
const mostPublications = 1000;
const mostItems = 20_000;

interface Logged {
  readonly publication: Publication;
  readonly size: number;
  /** The event as it is sent, made when the first stream asks for it. */
  bytes: Uint8Array | undefined;
}

const encoder = new TextEncoder();

export class EventLog implements Disposable {
  readonly #view: ReadableView;
  readonly #cache: RenderCache;
  readonly #subscription: Disposable;
  /** Tells the IDs of this process from those of others, which may have seen another history. */
  readonly #epoch = crypto.randomUUID().slice(0, 8);
  readonly #logged: Logged[] = [];
  #items = 0;
  /** The index before the oldest publication. */
  #oldest = 0;

  constructor(view: ReadableView, cache: RenderCache) {
    this.#view = view;
    this.#cache = cache;
    this.#subscription = view.subscribe((publication) => this.#add(publication));
  }

  /** The index that an ID of this process names, if what came after it is known. */
  indexOf(id: string | undefined): number | undefined {
    const [, index, epoch] = /^(\d{1,15})-([0-9a-f]{8})$/.exec(id ?? "") ?? [];
    return epoch === this.#epoch && Number(index) >= this.#oldest && Number(index) <= this.#view.index
      ? Number(index)
      : undefined;
  }

  /** What came after an index, as events; undefined if that is no longer known. */
  after(index: number): { readonly index: number; readonly events: Uint8Array[] } | undefined {
    if (index < this.#oldest) return undefined;
    const news = this.#logged.slice(
      this.#logged.findLastIndex(({ publication }) => publication.index <= index) + 1,
    );
    return { index: news.at(-1)?.publication.index ?? index, events: news.map((one) => this.#eventOf(one)) };
  }

  /** Everything there is, as one event. */
  async snapshot(
    kind: "snapshot" | "resync",
  ): Promise<{ readonly index: number; readonly event: Uint8Array }> {
    const { index, services, switches } = this.#view;
    const event = await this.#cache.get(`event ${kind}`, index, () =>
      this.#event(kind, index, {
        index,
        services: services.instances.map(instanceObject),
        switches: switches.map(switchObject),
      }));
    return { index, event };
  }

  [Symbol.dispose](): void {
    this.#subscription[Symbol.dispose]();
  }

  #add(publication: Publication): void {
    const { services, switches } = publication;
    const size = [services, switches].reduce((sum, { put, deleted }) => sum + put.length + deleted.length, 0);
    this.#logged.push({ publication, size, bytes: undefined });
    this.#items += size;
    while (this.#logged.length > mostPublications || this.#items > mostItems) {
      const oldest = this.#logged.shift();
      this.#items -= oldest?.size ?? 0;
      this.#oldest = oldest?.publication.index ?? 0;
    }
  }

  #eventOf(logged: Logged): Uint8Array {
    const { index, services, switches } = logged.publication;
    return logged.bytes ??= encoder.encode(this.#event("change", index, {
      index,
      put: services.put.map(instanceObject),
      deleted: services.deleted.map(instanceId),
      switches: { put: switches.put.map(switchObject), deleted: switches.deleted.map(switchName) },
    }));
  }

  #event(kind: string, index: number, data: unknown): string {
    return `event: ${kind}\nid: ${index}-${this.#epoch}\ndata: ${JSON.stringify(data)}\n\n`;
  }
}

function instanceObject(instance: RegisteredInstance): Record<string, unknown> {
  return { ...asObject(instance, true), since: instance.since };
}

function switchObject({ name, value }: Switch): Record<string, string> {
  return { switch: name, value };
}
