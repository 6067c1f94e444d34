/** What every mirror has in common: it says of an instance what readers of another layout look for. */
import { InvalidValueError } from "../../errors.ts";
import { type Address, addressOf, hasAddress } from "../address.ts";
import type { Instance } from "../instance.ts";
import { type Metadata, noMetadata } from "../metadata.ts";
import { isPlainText } from "../text.ts";

/** A key beside the raw one, and its value. */
export interface MirrorEntry {
  readonly key: string;
  readonly value: string;
}

/** A layout that readers of another framework know. */
export interface MirrorKind {
  /** What the option begins with. */
  readonly name: string;
  /** What may follow behind "=", for help and docs. */
  readonly argument: string;
  /** Who reads it, for the docs: one line. */
  readonly summary: string;
  /**
   * Reads what follows "="; undefined if nothing does. Returns what makes the keys of an instance, which throws an
   * `InvalidValueError` if the layout cannot express that.
   * @throws {InvalidValueError} if it cannot be used
   */
  readonly parse: (argument: string | undefined) => (instance: Described) => readonly MirrorEntry[];
}

/** An instance with all that a mirror may say of it. */
export type Described = Instance & { readonly metadata: Metadata };

export function described(instance: Instance): Described {
  return { ...instance, metadata: instance.metadata ?? noMetadata };
}

const maxPrefixBytes = 512;

/** A prefix of keys, without a slash at its end. @throws {InvalidValueError} if it is none */
export function parsePrefix(text: string): string {
  const path = text.replace(/\/$/, "");
  const segments = path.replace(/^\//, "").split("/");
  if (
    segments.some((segment) => segment === "" || segment !== segment.trim()) || !isPlainText(path) ||
    new TextEncoder().encode(path).length > maxPrefixBytes
  ) {
    throw new InvalidValueError("have a path such as /prod/grpc as its prefix, without empty parts");
  }
  return path;
}

/** The address of an instance. @throws {InvalidValueError} if its location has none */
export function addressFor({ location }: Instance): Address {
  const address = addressOf(location);
  if (address === undefined) throw new InvalidValueError(hasAddress);
  return address;
}

/** The location if it is a URL, or else a URL of its address. @throws {InvalidValueError} if it is neither */
export function urlFor(instance: Instance, fromAddress: (address: Address) => string): string {
  const address = addressFor(instance);
  return instance.location.includes("://") ? instance.location : fromAddress(address);
}
