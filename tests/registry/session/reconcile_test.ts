/** What a session does about a key, from what it knows and what it saw. */
import { assertEquals } from "@std/assert";
import { type Known, mayReplace, reconcile } from "../../../src/registry/session/reconcile.ts";
import type { Registration, Step } from "../../../src/registry/session/reconcile.ts";
import type { InstanceClaim } from "../../../src/registry/session/plans.ts";

const instance = { type: "web", name: "a", location: "h:1" };
const before = { ...instance, location: "h:0" };
const holder = { location: "other:1", lease: "ff" };
const now = 1000;

const stored: InstanceClaim = { outcome: "stored", revision: 7 };
const mark = { since: "", by: "ops 1", reason: "disk" };
const paused: InstanceClaim = { outcome: "paused", mark };
const held: InstanceClaim = { outcome: "held", revision: 7 };
const taken: InstanceClaim = {
  outcome: "taken",
  holder: {
    key: new TextEncoder().encode("/foo/service/web/a"),
    value: new TextEncoder().encode("other:1"),
    lease: "255",
    createRevision: 1,
    modifyRevision: 1,
  },
};

/** A registration that was registered and is not known to be missing, but for what the row says. */
function known(
  registration: Partial<Registration>,
  { dirty = "removed", onConflict = "yield" }: Partial<Pick<Known, "dirty" | "onConflict">> = {},
): Known {
  const registered: Registration = {
    instance,
    former: [],
    told: instance,
    since: "2026-11-29T00:00:00.000Z",
    first: undefined,
    out: undefined,
    heldByOther: false,
    paused: false,
    registered: true,
    settledAt: 0,
    restores: 0,
    restoreAfter: 0,
    reclaims: 0,
    reclaimAfter: 0,
  };
  return { registration: { ...registered, ...registration }, dirty, onConflict, now };
}

const fresh = { first: "replace", registered: false } as const;
const exclusive = { first: "wait", registered: false } as const;
const added = { dirty: "new" } as const;
const takeover = { onConflict: "takeover" } as const;

const rows: readonly (readonly [title: string, known: Known, seen: InstanceClaim | undefined, step: Step])[] =
  [
    ["a new instance is put at once", known(fresh, added), undefined, { action: "put" }],
    ["a dirty key is put at once", known({}), undefined, { action: "put" }],
    [
      "a key that was restored too often waits for the end of its back-off",
      known({ restoreAfter: now + 1 }),
      undefined,
      { action: "wait" },
    ],
    ["a key whose back-off is over is put", known({ restoreAfter: now }), undefined, { action: "put" }],
    [
      "a name that was reclaimed lately is looked at all the same: the key may be free",
      known({ reclaimAfter: now + 1 }, takeover),
      undefined,
      { action: "put" },
    ],
    [
      "a new instance that an operator has paused is out of use, which is reported",
      known(fresh, added),
      paused,
      { action: "pause", event: { kind: "paused", instance, mark } },
    ],
    ["a paused instance stays out of use", known({ paused: true }), paused, {
      action: "pause",
      event: undefined,
    }],
    [
      "a paused instance that was put is in use again",
      known({ paused: true, registered: false }),
      stored,
      { action: "report", event: { kind: "resumed", instance } },
    ],
    [
      "a new instance that was put is registered",
      known(fresh, added),
      stored,
      { action: "report", event: { kind: "registered", instance } },
    ],
    [
      "a new instance whose key was ours already is registered too: an answer was lost",
      known(fresh, added),
      held,
      { action: "report", event: { kind: "registered", instance } },
    ],
    [
      "an exclusive instance that found the key free is registered",
      known(exclusive, added),
      stored,
      { action: "report", event: { kind: "registered", instance } },
    ],
    ["a key that is ours is left alone", known({}), held, { action: "leave" }],
    [
      "a removed key that was put is restored",
      known({}),
      stored,
      { action: "report", event: { kind: "restored", instance, because: "removed" } },
    ],
    [
      "a key whose lease ended is restored because of that",
      known({}, { dirty: "lease-ended" }),
      stored,
      { action: "report", event: { kind: "restored", instance, because: "lease-ended" } },
    ],
    [
      "a key whose lease ended and that is on the new one is restored: an answer was lost",
      known({}, { dirty: "lease-ended" }),
      held,
      { action: "report", event: { kind: "restored", instance, because: "lease-ended" } },
    ],
    ...[stored, held].map((seen) =>
      [
        `an instance that was changed is reported when it is ${seen.outcome}`,
        known({ told: before }),
        seen,
        { action: "report", event: { kind: "changed", instance, before } },
      ] as const
    ),
    [
      "an instance that was changed while it was not registered is registered",
      known({ told: before, registered: false }, added),
      stored,
      { action: "report", event: { kind: "registered", instance } },
    ],
    [
      "a new instance whose lease ended before it was put is registered",
      known({ ...fresh, told: undefined }, { dirty: "lease-ended" }),
      stored,
      { action: "report", event: { kind: "registered", instance } },
    ],
    [
      "an instance that was changed while its lease ended is restored",
      known({ told: before }, { dirty: "lease-ended" }),
      stored,
      { action: "report", event: { kind: "restored", instance, because: "lease-ended" } },
    ],
    [
      "a name that its holder left is registered again",
      known({ heldByOther: true, registered: false }),
      stored,
      { action: "report", event: { kind: "registered", instance } },
    ],
    [
      "a name that another process took is lost to it",
      known({}),
      taken,
      { action: "give-way", event: { kind: "lost", instance, holder } },
    ],
    [
      "an exclusive instance is blocked by a holder",
      known(exclusive, added),
      taken,
      { action: "give-way", event: { kind: "blocked", instance, holder } },
    ],
    [
      "an exclusive instance is blocked even if it may take names over later",
      known(exclusive, { ...added, ...takeover }),
      taken,
      { action: "give-way", event: { kind: "blocked", instance, holder } },
    ],
    [
      "a holder that was reported is not reported again",
      known({ heldByOther: true, registered: false }),
      taken,
      { action: "give-way", event: undefined },
    ],
    [
      "a blocked instance does not report the next holder either",
      known({ ...exclusive, heldByOther: true }, added),
      taken,
      { action: "give-way", event: undefined },
    ],
    [
      "a name is taken back if the rule says so",
      known({}, takeover),
      taken,
      { action: "take-back", event: { kind: "reclaimed", instance, holder } },
    ],
    [
      "a name that was reclaimed lately waits for the end of its back-off",
      known({ reclaimAfter: now + 1 }, takeover),
      taken,
      { action: "wait" },
    ],
    [
      "a name whose back-off is over is taken back again",
      known({ reclaimAfter: now, reclaims: 3 }, takeover),
      taken,
      { action: "take-back", event: { kind: "reclaimed", instance, holder } },
    ],
  ];

for (const [title, known, seen, step] of rows) {
  Deno.test(`reconcile: ${title}`, () => assertEquals(reconcile(known, seen), step));
}

Deno.test("a put overwrites a holder at first, and later only what the session has left behind", () => {
  const wasOurs = (lease: string | undefined): boolean => lease === "1";
  const row = (lease: string | undefined, first: Registration["first"]): boolean =>
    mayReplace({ lease }, { first }, wasOurs);
  assertEquals(row("2", "replace"), true);
  assertEquals(row(undefined, "replace"), true);
  assertEquals(row("2", "wait"), false);
  assertEquals(row("1", "wait"), true);
  assertEquals(row("2", undefined), false);
  assertEquals(row("1", undefined), true);
  assertEquals(row(undefined, undefined), false);
});
