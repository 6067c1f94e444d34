/** Decides what a session does about one key. It asks nothing and changes nothing. */
import { type Instance, isSameInstance } from "../instance.ts";
import type { Out } from "../metadata.ts";
import type { Entry, Revision } from "../store.ts";
import type { Loss, SessionEvent } from "./events.ts";
import { holderOf } from "./holder.ts";
import type { InstanceClaim } from "./plans.ts";

/** What to do if another process registers under a name of this session. */
export const conflictRules = ["yield", "takeover"] as const;
export type ConflictRule = typeof conflictRules[number];

/** Why a key has to be looked at: it is yet to be registered; or, should it be missing, why it is. */
export type Dirty = Loss | "new";

/** What a session knows of one registration. Times are as of `performance.now()`. */
export interface Registration {
  /** As it is to be. */
  instance: Instance;
  /** As it was to be before, the newest first. */
  former: readonly Instance[];
  /** As it was when it was last reported to be registered. */
  told: Instance | undefined;
  /** When it was added, as ISO 8601 has it. */
  since: string;
  /** Why it is to be out of use; undefined if it is to be registered. */
  out: Out | undefined;
  /** An operator has paused it, which was reported. */
  paused: boolean;
  /** What the first registration does to another holder; undefined once the instance has been registered. */
  first: "replace" | "wait" | undefined;
  /** Another process holds the name, which was reported. */
  heldByOther: boolean;
  /** The instance was registered, and was neither lost nor removed since. */
  registered: boolean;
  /** The newest revision in which all of its keys are known to have been as they are to be: changes up to it are no news. */
  settledAt: Revision;
  /** How often in a row the key was restored, and when it may be restored again. */
  restores: number;
  restoreAfter: number;
  /** How often in a row the name was reclaimed, and when it may be reclaimed again. */
  reclaims: number;
  reclaimAfter: number;
}

/** All that a decision depends on, besides the entry under the key. */
export interface Known {
  readonly registration: Readonly<Registration>;
  readonly dirty: Dirty;
  readonly onConflict: ConflictRule;
  /** As of `performance.now()`. */
  readonly now: number;
}

export type Step =
  /** Look again later: the session backs off. */
  | { readonly action: "wait" }
  /** Put the key, unless another process holds it. */
  | { readonly action: "put" }
  /** The key is ours: leave it alone. */
  | { readonly action: "leave" }
  /** The key is ours now: report that. */
  | { readonly action: "report"; readonly event: SessionEvent }
  /** Leave the key to its holder, and report that unless it was reported. */
  | { readonly action: "give-way"; readonly event: SessionEvent | undefined }
  /** The instance is out of use until it is resumed: report that unless it was reported. */
  | { readonly action: "pause"; readonly event: SessionEvent | undefined }
  /** Overwrite the holder, then report that. */
  | { readonly action: "take-back"; readonly event: SessionEvent };

/** Decides before the key was looked at (`wait` or `put`), and after that, from what the put has `seen`. */
export function reconcile(
  { registration, dirty, onConflict, now }: Known,
  seen?: InstanceClaim,
): Step {
  const { instance, first, heldByOther, paused, registered, restoreAfter, reclaimAfter } = registration;
  if (seen === undefined) return { action: now < restoreAfter ? "wait" : "put" };
  if (seen.outcome === "paused") {
    return { action: "pause", event: paused ? undefined : { kind: "paused", instance, mark: seen.mark } };
  }
  if (seen.outcome !== "taken") {
    if (paused) return { action: "report", event: { kind: "resumed", instance } };
    const before = changedFrom(registration);
    if (registered && before !== undefined && !heldByOther && dirty !== "lease-ended") {
      return { action: "report", event: { kind: "changed", instance, before } };
    }
    if (heldByOther || dirty === "new" || registration.told === undefined) {
      return { action: "report", event: { kind: "registered", instance } };
    }
    // What is on a lease that is newer than the report is an earlier attempt's whose answer was lost.
    if (seen.outcome === "held" && dirty !== "lease-ended") return { action: "leave" };
    return { action: "report", event: { kind: "restored", instance, because: dirty } };
  }
  const holder = holderOf(seen.holder);
  if (first === "wait" || onConflict === "yield") {
    const kind = first === "wait" ? "blocked" : "lost";
    return { action: "give-way", event: heldByOther ? undefined : { kind, instance, holder } };
  }
  if (now < reclaimAfter) return { action: "wait" };
  return { action: "take-back", event: { kind: "reclaimed", instance, holder } };
}

/** What the instance was when it was last reported, if that was something else. */
function changedFrom({ instance, told }: Pick<Registration, "instance" | "told">): Instance | undefined {
  return told === undefined || isSameInstance(told, instance) ? undefined : told;
}

/** Whether a put may overwrite the holder at once: if this is the first registration, or a leftover of the session. */
export function mayReplace(
  { lease }: Pick<Entry, "lease">,
  { first }: Pick<Registration, "first">,
  wasOurs: (lease: string | undefined) => boolean,
): boolean {
  return first === "replace" || wasOurs(lease);
}
