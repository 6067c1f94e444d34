/** Services and the locations of their instances. `{tree root}/service/{type}/{name}` = location. */
import { Collection, type CollectionPlace } from "./collection.ts";
import { type Instance, prefixOf, type RegisteredInstance, type Selection } from "./instance.ts";
import { instancesOf } from "./instances.ts";
import { fieldsIn } from "./metadata.ts";
import { instanceNames, serviceTypes } from "./names.ts";
import { type RegisterOptions, Session } from "./session/session.ts";
import { below } from "./span.ts";
import { deadlineAfter } from "./store.ts";

/** The ID of an instance is `type/name`. Every method throws what `Store` throws. */
export class Services extends Collection<RegisteredInstance, Selection> {
  readonly #by: () => string;

  /** @param by tells the host and the process that registers */
  constructor(place: CollectionPlace, by: () => string) {
    super(place, instancesOf);
    this.#by = by;
  }

  /**
   * Registers an instance, replacing what is registered under its name.
   * @param ttl seconds until it disappears; undefined if it is to stay
   * @returns the session that holds it, to keep it alive or to leave it alone
   * @throws what `Session.register` throws
   */
  async register(instance: Instance, ttl?: number, options?: RegisterOptions): Promise<Session> {
    const session = this.session(ttl);
    await session.register(instance, options);
    return session;
  }

  /** A session without any instance. */
  session(ttl?: number): Session {
    return new Session(this.store, this.treeRoot, { ttl, timeout: this.timeout, by: this.#by });
  }

  /** The types that begin with some text: at most 1,000, sorted. */
  types(begin: string): Promise<string[]> {
    return serviceTypes(this.store, this.treeRoot, begin, deadlineAfter(this.timeout));
  }

  /** The tags of instances, of one type or of all, that begin with some text, sorted. */
  async tags(begin: string, type?: string): Promise<string[]> {
    const span = below(prefixOf(this.treeRoot, "metadata", type));
    const { entries } = await this.store.list([span], deadlineAfter(this.timeout));
    const tags = entries.flatMap(({ value }) => {
      const { tags } = fieldsIn(value);
      return Array.isArray(tags)
        ? tags.filter((tag) => typeof tag === "string" && tag.startsWith(begin))
        : [];
    });
    return [...new Set<string>(tags)].sort();
  }

  /** The names of instances, of one type or of all, that begin with some text: at most 1,000, sorted. */
  names(begin: string, type?: string): Promise<string[]> {
    return instanceNames(this.store, this.treeRoot, begin, type, deadlineAfter(this.timeout));
  }
}
