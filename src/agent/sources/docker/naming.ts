/** The services of all containers together. */
import type { SourceService } from "../../source.ts";
import type { Container } from "./container.ts";
import type { DockerOptions } from "./options.ts";
import { type Reading, readServices } from "./services.ts";

/** A running container, and what becomes of its services. */
export interface Standing {
  readonly container: Container;
  /** Whether its services are named: not before its HEALTHCHECK has said something, and not while it stops. */
  readonly isNamed: boolean;
  /** Why they are out of use. */
  readonly out: string | undefined;
}

/** Names services, and remembers what a container comes to, as long as that container is the same object. */
export class Naming {
  readonly #options: DockerOptions;
  readonly #read = new WeakMap<
    Container,
    { readonly owner: Container | undefined; readonly reading: Reading }
  >();

  constructor(options: DockerOptions) {
    this.#options = options;
  }

  /** The services that all containers name, and messages on what is left out. Of two with one name, the older has it. */
  name(standings: readonly Standing[]): {
    readonly services: readonly SourceService[];
    readonly warnings: readonly string[];
  } {
    const services: SourceService[] = [];
    const warnings: string[] = [];
    const taken = new Map<string, string>();
    const byId = new Map(standings.map(({ container }) => [container.id, container]));
    const named = standings.filter(({ isNamed }) => isNamed);
    for (const { container, out } of named.toSorted(byAge)) {
      const owner = byId.get(container.networkMode.replace(/^container:/, ""));
      const reading = this.#readingOf(container, owner);
      warnings.push(...reading.warnings);
      for (const { definition, origin } of reading.services) {
        const id = `${definition.type}/${definition.name}`;
        const holder = taken.get(id);
        if (holder === undefined) {
          taken.set(id, origin);
          services.push({ definition, origin, out });
        } else {
          warnings.push(
            `skipped ${id} of ${origin}: ${holder} has that name; give one of them another empusa.name`,
          );
        }
      }
    }
    return { services, warnings };
  }

  #readingOf(container: Container, owner: Container | undefined): Reading {
    const known = this.#read.get(container);
    if (known !== undefined && known.owner === owner) return known.reading;
    const reading = readServices(container, this.#options, owner);
    this.#read.set(container, { owner, reading });
    return reading;
  }
}

/** The order in which containers were created. */
function byAge({ container: a }: Standing, { container: b }: Standing): number {
  return a.created === b.created ? (a.id < b.id ? -1 : 1) : a.created < b.created ? -1 : 1;
}
