/** Switches: small shared values that operators set and scripts read. `{tree root}/switch/{name}` = value. */
import { EmpusaError, ExitCode, RuleViolation, UnreachableError } from "../errors.ts";
import { shorten } from "../escape.ts";
import { ConflictError } from "./holder.ts";
import { isNameSized, maxNameBytes, parseLocation } from "./instance.ts";
import { decode, type Kind, readAll, type Stored, type Stray } from "./kind.ts";
import { newLeaseId, timeToLeave } from "./session.ts";
import { type LeaseId, limitOf, type Store } from "./store.ts";
import { watchAll, type WatchEvent, type WatchOptions } from "./watch.ts";

/** A named value. */
export interface Switch extends Stored {
  readonly name: string;
  readonly value: string;
}

/** What tells one switch from all others. */
export const switchName = ({ name }: Switch): string => name;

/**
 * A value, which is kept as given. The rule is that for locations.
 * @throws {RuleViolation} where it is not one line
 */
export const parseSwitchValue = parseLocation;

const on = ["yes", "true", "y", "on", "1", "enabled"];
const off = ["no", "false", "n", "off", "0", "disabled"];

/** Whether a value says on or off, in any case; undefined where it says neither. */
export function stateOf(value: string): boolean | undefined {
  const word = value.toLowerCase();
  return on.includes(word) ? true : off.includes(word) ? false : undefined;
}

function prefixOf(treeRoot: string): string {
  return `${treeRoot}/switch/`;
}

/** All switches, or the one of that name. */
function switchesOf(treeRoot: string, only?: string): Kind<Switch> {
  const prefix = prefixOf(treeRoot);
  return {
    prefix: `${prefix}${only ?? ""}`,
    idOf: switchName,
    idAt: (key) => new TextDecoder().decode(key).slice(prefix.length),
    valueOf: ({ value }) => value,
    read: ({ key, value, lease, createRevision, modifyRevision }) => {
      const name = decode(key).slice(prefix.length);
      if (name === "" || name.includes("/")) throw new RuleViolation(`be ${prefix}NAME`);
      if (!isNameSized(name)) throw new RuleViolation(`have a name of at most ${maxNameBytes} bytes`);
      // Others begin with the same letters.
      if (only !== undefined && name !== only) return undefined;
      return { name, value: decode(value), lease, createRevision, modifyRevision };
    },
  };
}

/** Every method throws what `Store` throws. */
export class Switches {
  readonly #store: Store;
  readonly #treeRoot: string;
  readonly #timeout: number;

  /** @param timeout milliseconds for each operation */
  constructor(store: Store, treeRoot: string, timeout: number) {
    this.#store = store;
    this.#treeRoot = treeRoot;
    this.#timeout = timeout;
  }

  /**
   * Sets a switch, for so many seconds or until it is set anew.
   * @returns the seconds that were granted, maybe more
   */
  async set(name: string, value: string, ttl?: number): Promise<number | undefined> {
    const limit = limitOf(this.#timeout);
    const lease: LeaseId | undefined = ttl === undefined ? undefined : newLeaseId();
    const granted = lease === undefined || ttl === undefined
      ? undefined
      : await this.#store.grant(lease, ttl, limit);
    try {
      await this.#store.claim({ key: this.#key(name), value, lease }, () => true, limit);
    } catch (error) {
      // Without etcd, the TTL sees to it.
      if (lease !== undefined && !(error instanceof UnreachableError)) {
        await this.#store.revoke(lease, limitOf(timeToLeave)).catch(() => {});
      }
      throw error;
    }
    return granted;
  }

  /**
   * The switch, or undefined where it is not set.
   * @throws {EmpusaError} where what lies there is no value
   */
  async get(name: string): Promise<Switch | undefined> {
    const entry = await this.#store.get(this.#key(name), limitOf(this.#timeout));
    if (entry === undefined) return undefined;
    const { items: [found], strays: [stray] } = readAll([entry], switchesOf(this.#treeRoot));
    if (stray !== undefined) throw new EmpusaError(`cannot read ${name}: its value must ${stray.rule}`);
    return found;
  }

  /** Removes a switch. False if it was not set. */
  remove(name: string): Promise<boolean> {
    return this.#store.delete(this.#key(name), limitOf(this.#timeout));
  }

  /**
   * Turns a switch over: from on to `no`, from off to `yes`, for good.
   * @returns its new value
   * @throws {ConflictError} where somebody else has changed it meanwhile
   * @throws {EmpusaError} where it is not set, or neither on nor off
   */
  async toggle(name: string): Promise<string> {
    const limit = limitOf(this.#timeout);
    const entry = await this.#store.get(this.#key(name), limit);
    if (entry === undefined) throw notSet(name);
    const before = new TextDecoder().decode(entry.value);
    const state = stateOf(before);
    if (state === undefined) {
      throw new EmpusaError(
        `cannot toggle ${name}: its value is ${JSON.stringify(shorten(before))}, which is neither on nor off`,
      );
    }
    const value = state ? "no" : "yes";
    if (await this.#store.replace(entry, value, limit)) return value;
    throw new ConflictError(`cannot toggle ${name}: somebody else has changed it at the same time`);
  }

  /** All switches by name, as they were at one revision; and what lies among them and is none. */
  async list(): Promise<{ switches: Switch[]; strays: Stray[] }> {
    const kind = switchesOf(this.#treeRoot);
    const { entries } = await this.#store.list(kind.prefix, limitOf(this.#timeout));
    const { items, strays } = readAll(entries, kind);
    return { switches: items, strays };
  }

  /**
   * Follows all switches, or one.
   * @throws what `watchAll` throws
   */
  watch(
    name: string | undefined,
    options: Omit<WatchOptions, "timeout">,
  ): AsyncGenerator<WatchEvent<Switch>, void, void> {
    return watchAll(this.#store, switchesOf(this.#treeRoot, name), { timeout: this.#timeout, ...options });
  }

  #key(name: string): string {
    return `${prefixOf(this.#treeRoot)}${name}`;
  }
}

/** The error for a switch that is not there. */
export function notSet(name: string): EmpusaError {
  return new EmpusaError(`${name} is not set`, { exitCode: ExitCode.absent });
}
