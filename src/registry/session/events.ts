/** What happens to the registrations of a session. A session reports nothing while all is well. */
import type { Instance } from "../instance.ts";
import type { Mark } from "../metadata.ts";
import type { OutageEvent } from "../outage.ts";
import type { Holder } from "./holder.ts";

export type SessionEvent =
  | OutageEvent
  /** The outage lasts longer than the TTL: the keys are gone, or will be as soon as etcd counts the time again. */
  | { readonly kind: "ttl-exceeded" }
  /** The key was removed, because `Session.remove` or `Session.withdraw` was called. */
  | { readonly kind: "unregistered"; readonly instance: Instance }
  /** An added instance is registered. */
  | { readonly kind: "registered"; readonly instance: Instance }
  /** A registered instance was added once more, and is now what it was added as: its name was never free meanwhile. */
  | { readonly kind: "changed"; readonly instance: Instance; readonly before: Instance }
  /** An exclusive instance waits for its first registration, because another process holds the name. */
  | { readonly kind: "blocked"; readonly instance: Instance; readonly holder: Holder }
  /** An operator has paused the instance: it is out of use until it is resumed. */
  | { readonly kind: "paused"; readonly instance: Instance; readonly mark: Mark }
  /** The instance was paused, and is registered again. */
  | { readonly kind: "resumed"; readonly instance: Instance }
  /** The key was missing, and the instance is registered again. */
  | { readonly kind: "restored"; readonly instance: Instance; readonly because: Loss }
  /** Another process had registered under the name, and was overwritten. */
  | { readonly kind: "reclaimed"; readonly instance: Instance; readonly holder: Holder }
  /** Another process has registered under the name. The session registers the instance again if that process leaves. */
  | { readonly kind: "lost"; readonly instance: Instance; readonly holder: Holder };

/** Why a key was missing: its lease had ended, or only the key was removed. */
export type Loss = "lease-ended" | "removed";
