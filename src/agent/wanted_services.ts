/** All services that the sources of an agent want, as far as they can be used. */
import { EmpusaError, UnreachableError, UsageError } from "../errors.ts";
import { instanceId } from "../registry/mod.ts";
import type { WantedService } from "./kept_service.ts";
import type { Source, SourceService } from "./source.ts";

/**
 * Makes of what a source names what is to be registered.
 * @throws {UsageError} if that breaks a rule
 * @throws {UnreachableError} if there is no way to etcd, which it depends on
 */
export type Resolve = (service: SourceService) => Promise<WantedService>;

/** What the sources want now. */
export interface Wanted {
  /** By type and name. */
  readonly services: ReadonlyMap<string, WantedService>;
  /** What cannot be used, and was not so before. */
  readonly remarks: readonly string[];
  /** Whether something may be usable in a while. */
  readonly tryAgain: boolean;
}

export class WantedServices {
  readonly #resolve: Resolve;
  /** What each source names. */
  readonly #named = new Map<Source, readonly SourceService[]>();
  /** What was resolved of that, by the texts of the definitions. */
  readonly #resolved = new Map<Source, ReadonlyMap<string, WantedService>>();
  /** What was remarked last. */
  #remarks: ReadonlySet<string> = new Set();
  #isOutdated = false;

  constructor(resolve: Resolve) {
    this.#resolve = resolve;
  }

  /** How many sources have named something. */
  get sources(): number {
    return this.#named.size;
  }

  set(source: Source, services: readonly SourceService[]): void {
    this.#named.set(source, services);
  }

  /** What placeholders stand for may have changed: it is found out again. */
  outdate(): void {
    this.#isOutdated = true;
  }

  /**
   * Resolves what the sources name. Of two definitions of one instance the first one counts.
   * @throws {UsageError} if a source that has named nothing before, and whose services depend on each other, breaks a rule
   */
  async resolveAll(): Promise<Wanted> {
    const isOutdated = this.#isOutdated;
    this.#isOutdated = false;
    const services = new Map<string, WantedService>();
    const remarks = new Set<string>();
    let tryAgain = false;
    for (const [source, named] of this.#named) {
      const { usable, failures } = await this.#resolveSource(source, named, isOutdated);
      for (const [{ origin }, error] of failures) {
        // That has one reason for all.
        const isUnreachable = error instanceof UnreachableError;
        remarks.add(`${isUnreachable ? source.name : origin}: ${error.message}`);
        tryAgain ||= isUnreachable;
      }
      for (const service of usable) {
        const id = instanceId(service.instance);
        const first = services.get(id);
        if (first === undefined) services.set(id, service);
        else remarks.add(`${service.origin} is ${id} again, after ${first.origin}: it is left out`);
      }
    }
    this.#isOutdated ||= isOutdated && tryAgain;
    const fresh = [...remarks].filter((remark) => !this.#remarks.has(remark));
    this.#remarks = remarks;
    return { services, remarks: fresh, tryAgain };
  }

  /**
   * What a source names, ready to be registered. What cannot be used is left out where services are independent of each
   * other; else all stays as it was before.
   */
  async #resolveSource(
    source: Source,
    named: readonly SourceService[],
    isOutdated: boolean,
  ): Promise<{
    readonly usable: readonly WantedService[];
    readonly failures: readonly (readonly [SourceService, EmpusaError])[];
  }> {
    const before = this.#resolved.get(source);
    const resolved = new Map<string, WantedService | undefined>();
    const failures: (readonly [SourceService, EmpusaError])[] = [];
    // At once, as those that ask for a way to etcd wait for the same answer.
    await Promise.all(named.map(async (service) => {
      const text = JSON.stringify([service.definition, service.origin]);
      const known = before?.get(text);
      // For the order.
      resolved.set(text, undefined);
      try {
        const now = known === undefined || isOutdated ? await this.#resolve(service) : known;
        resolved.set(text, { ...now, out: service.out });
      } catch (error) {
        if (!(error instanceof EmpusaError)) throw error;
        if (error instanceof UsageError && !source.isIndependent && before === undefined) throw error;
        failures.push([service, error]);
        // It is not worse than before.
        if (known === undefined) resolved.delete(text);
        else resolved.set(text, { ...known, out: service.out });
      }
    }));
    if (failures.length > 0 && !source.isIndependent) {
      return { usable: [...before?.values() ?? []], failures };
    }
    const usable = new Map(
      [...resolved].filter((one): one is [string, WantedService] => one[1] !== undefined),
    );
    this.#resolved.set(source, usable);
    return { usable: [...usable.values()], failures };
  }
}
