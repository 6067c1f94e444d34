/** Switches: small shared values that operators set and scripts read. `{tree root}/switch/{name}` = value. */
import { EmpusaError, ExitCode, InvalidValueError } from "../errors.ts";
import { backOff, delay, longestPause } from "../system/delay.ts";
import { shorten } from "../system/escape.ts";
import { ConflictError } from "./session/holder.ts";
import { isNameSized, maxNameBytes, parseLocation, parseName, type Selection } from "./instance.ts";
import {
  type Codec,
  Collection,
  type CollectionPlace,
  compareText,
  decode,
  type EntryMeta,
  SimpleCollector,
} from "./collection.ts";
import { namesBelow } from "./names.ts";
import { below, only } from "./span.ts";
import { type Deadline, deadlineAfter, type Entry, type LeaseId, type Put } from "./store.ts";
import { overwrite, putOnOwnLease, retireSoon } from "./session/own_lease.ts";

/** A named value. */
export interface Switch extends EntryMeta {
  readonly name: string;
  readonly value: string;
}

/** The identity of a switch. */
export const switchName = ({ name }: Switch): string => name;

/**
 * The name of a switch: one or more parts with `/` between them, each like the name of a service.
 * @throws {InvalidValueError} where it is none
 */
export function parseSwitchName(text: string): string {
  try {
    text.split("/").forEach(parseName);
    if (isNameSized(text)) return text;
  } catch (error) {
    if (!(error instanceof InvalidValueError)) throw error;
  }
  throw new InvalidValueError(
    `be 1 to ${maxNameBytes} bytes of UTF-8 without control characters, in parts with "/" between them that are not ` +
      "empty and have no blanks at their ends",
  );
}

/**
 * A value, which is kept as given. The rule is that for locations.
 * @throws {InvalidValueError} where it is not one line
 */
export const parseSwitchValue = parseLocation;

const on = ["yes", "true", "y", "on", "1", "enabled"];
const off = ["no", "false", "n", "off", "0", "disabled"];

/** Whether a value says on or off, in any case; undefined where it says neither. */
export function stateOf(value: string): boolean | undefined {
  const word = value.toLowerCase();
  return on.includes(word) ? true : off.includes(word) ? false : undefined;
}

/** What the keys of all switches begin with. */
export function switchPrefix(treeRoot: string): string {
  return `${treeRoot}/switch/`;
}

/** Selects switches: the one of that name, or those whose names match; all if neither is given. */
export interface SwitchSelection {
  readonly only?: string | undefined;
  readonly matching?: Selection["name"];
}

/** How the switches of a selection lie in the store; all of them without one. */
function switchesOf(treeRoot: string, { only: name, matching }: SwitchSelection = {}): Codec<Switch> {
  const base = switchPrefix(treeRoot);
  const span = name === undefined ? below(base) : only(`${base}${name}`);
  const read = ({ key, value, lease, createRevision, modifyRevision }: Entry): Switch | undefined => {
    const name = decode(key).slice(base.length);
    if (name.split("/").includes("")) throw new InvalidValueError(`be ${base}NAME`);
    if (!isNameSized(name)) throw new InvalidValueError(`have a name of at most ${maxNameBytes} bytes`);
    if (matching?.test(name) === false) return undefined;
    return { name, value: decode(value), lease, createRevision, modifyRevision };
  };
  return {
    base,
    spans: [span],
    watched: span,
    keysOf: (id) => [`${base}${id}`],
    idOf: switchName,
    valueName: "value",
    isSame: (a, b) => a.value === b.value,
    compare: (a, b) => compareText(a.name, b.name),
    collector: () => new SimpleCollector(base, read),
    without: undefined,
  };
}

/** How a switch was set. */
export interface SetOutcome {
  /** The granted seconds, maybe more than were requested; undefined for a switch without a TTL. */
  readonly granted: number | undefined;
}

/** The ID of a switch is its name. Every method throws what `Store` throws. */
export class Switches extends Collection<Switch, SwitchSelection> {
  constructor(place: CollectionPlace) {
    super(place, switchesOf);
  }

  /**
   * Sets a switch, for that many seconds or until it is set again. It is written even if it has that value already, so
   * that watches report it.
   * @param ttl seconds
   */
  set(name: string, value: string, ttl?: number): Promise<SetOutcome> {
    const deadline = deadlineAfter(this.timeout);
    return this.#onOwnLease(name, value, ttl, deadline, (put) => overwrite(this.store, put, deadline));
  }

  /**
   * Sets a switch that has the value `expected`, or is not set. Nobody's change in between is overwritten.
   * @param ttl seconds
   * @throws {ConflictError} where it has another value
   * @throws {UnreachableError} also where it is unknown whether that was done
   */
  async compareAndSet(name: string, value: string, expected: string, ttl?: number): Promise<SetOutcome> {
    const deadline = deadlineAfter(this.timeout);
    let before = await this.#expected(name, expected, deadline);
    return await this.#onOwnLease(name, value, ttl, deadline, async (put) => {
      for (let failures = 0;;) {
        if (await this.store.replace(put, before?.modifyRevision ?? 0, deadline)) return before?.lease;
        await delay(backOff(++failures, longestPause));
        before = await this.#expected(name, expected, deadline);
      }
    });
  }

  /**
   * The stored switch with the expected value; undefined if it is not set.
   * @throws {ConflictError} where it has another value
   */
  async #expected(name: string, expected: string, deadline: Deadline): Promise<Entry | undefined> {
    const entry = await this.store.get(this.key(name), deadline);
    if (entry === undefined) return undefined;
    // Byte by byte, as what is no UTF-8 would be decoded to something else.
    const bytes = new TextEncoder().encode(expected);
    const { value } = entry;
    if (value.length === bytes.length && value.every((byte, i) => byte === bytes[i])) return entry;
    const [is, wanted] = [new TextDecoder().decode(value), expected].map((text) =>
      JSON.stringify(shorten(text))
    );
    throw new ConflictError(`cannot set ${name}: its value is ${is}, not ${wanted}`);
  }

  /** See `putOnOwnLease`. */
  async #onOwnLease(
    name: string,
    value: string,
    ttl: number | undefined,
    deadline: Deadline,
    set: (put: Put) => Promise<LeaseId | undefined>,
  ): Promise<SetOutcome> {
    return { granted: await putOnOwnLease(this.store, { key: this.key(name), value }, ttl, deadline, set) };
  }

  /**
   * Turns a switch over: from on to `no`, from off to `yes`, for good.
   * @returns its new value, and whether it had a TTL
   * @throws {ConflictError} if another process has changed it meanwhile
   * @throws {EmpusaError} where it is not set, or neither on nor off
   */
  async toggle(name: string): Promise<{ readonly value: string; readonly hadTtl: boolean }> {
    const deadline = deadlineAfter(this.timeout);
    const key = this.key(name);
    const entry = await this.store.get(key, deadline);
    if (entry === undefined) throw notSet(name);
    const before = new TextDecoder().decode(entry.value);
    const state = stateOf(before);
    if (state === undefined) {
      throw new EmpusaError(
        `cannot toggle ${name}: its value is ${JSON.stringify(shorten(before))}, which is neither on nor off`,
      );
    }
    const value = state ? "no" : "yes";
    const put = { key, value, lease: undefined };
    if (await this.store.replace(put, entry.modifyRevision, deadline)) {
      await retireSoon(this.store, entry.lease, put);
      return { value, hadTtl: entry.lease !== undefined };
    }
    throw new ConflictError(`cannot toggle ${name}: another process changed it at the same time`);
  }

  /** The names that begin with some text: at most 1,000, sorted. */
  names(begin: string): Promise<string[]> {
    const isName = (text: string): boolean => !text.split("/").includes("");
    return namesBelow(this.store, switchPrefix(this.treeRoot), begin, isName, deadlineAfter(this.timeout));
  }
}

/** The error for a switch that is not there. */
export function notSet(name: string): EmpusaError {
  return new EmpusaError(`${name} is not set`, { exitCode: ExitCode.absent });
}
