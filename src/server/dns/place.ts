/** What a name below the domain means, whether it is there or not. */
import { isLabel, isTypeLabel } from "./domain.ts";
import { ipOfHex } from "./ip.ts";

export type Place =
  /** The domain itself. */
  | { readonly kind: "apex" }
  /** There are names below it, and it has no records of its own. */
  | { readonly kind: "between" }
  /** The same, if an instance has the tag. */
  | { readonly kind: "tag"; readonly tag: string }
  | { readonly kind: "server" }
  | { readonly kind: "address"; readonly ip: string }
  /** All instances of a type, or that which has the name, or those that have the tag. */
  | { readonly kind: "type"; readonly type: string; readonly part: string | undefined }
  /** The name of a service (RFC 2782): all instances of a type, or those that have the tag. */
  | { readonly kind: "service"; readonly type: string; readonly tag: string | undefined };

const protocols = ["_tcp", "_udp"];

/**
 * @param labels those before the domain, in small letters
 * @returns undefined if there is never such a name
 */
export function placeOf(labels: readonly string[]): Place | undefined {
  if (labels.length === 0) return { kind: "apex" };
  const last = labels.at(-1);
  if (last === "addr") return belowAddr(labels.slice(0, -1));
  if (last !== "service") return below(labels);
  return labels.length === 1 ? { kind: "between" } : below(labels.slice(0, -1));
}

function belowAddr(labels: readonly string[]): Place | undefined {
  const [label, ...rest] = labels;
  if (label === undefined) return { kind: "between" };
  if (rest.length > 0) return undefined;
  if (label === "ns") return { kind: "server" };
  const ip = ipOfHex(label);
  return ip === undefined ? undefined : { kind: "address", ip };
}

function below([first = "", second, ...rest]: readonly string[]): Place | undefined {
  if (rest.length > 0) return undefined;
  if (second === undefined) {
    if (protocols.includes(first)) return { kind: "between" };
    if (first.startsWith("_")) return { kind: "tag", tag: first.slice(1) };
    return isTypeLabel(first) ? { kind: "type", type: first, part: undefined } : undefined;
  }
  if (!second.startsWith("_")) {
    return isTypeLabel(second) && isLabel(first) ? { kind: "type", type: second, part: first } : undefined;
  }
  const type = first.slice(1);
  if (!first.startsWith("_") || !isTypeLabel(type)) return undefined;
  return { kind: "service", type, tag: protocols.includes(second) ? undefined : second.slice(1) };
}
