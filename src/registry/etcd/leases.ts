/** Leases of etcd. */
import { backOff, delay, longestPause } from "../../system/delay.ts";
import type { Deadline, LeaseId } from "../store.ts";
import { grantAnswer, leasesAnswer, plainAnswer, timeToLiveAnswer } from "./answers.ts";
import type { Caller } from "./call.ts";
import { isCausedBy } from "./errors.ts";

/** See `Store.grant`. */
export async function grant(caller: Caller, id: LeaseId, ttl: number, deadline: Deadline): Promise<number> {
  for (let failures = 1;; failures++) {
    try {
      return await caller.call(
        deadline,
        async (client, options) =>
          grantAnswer(await client.leaseClient.leaseGrant({ ID: id, TTL: ttl }, options), id),
      );
    } catch (error) {
      if (!isCausedBy(error, "lease already exists")) throw error;
      // An earlier attempt granted it and only its answer was lost. If the lease expires just now, it is granted again.
      const left = await keepAlive(caller, id, deadline);
      if (left !== undefined) return left;
      await delay(backOff(failures, longestPause), deadline.signal);
    }
  }
}

/** See `Store.keepAlive`. */
export async function keepAlive(
  caller: Caller,
  id: LeaseId,
  deadline: Deadline,
): Promise<number | undefined> {
  const ttl = await caller.call(
    deadline,
    (_client, _options, { channel, token }) => channel.refresh(id, token, deadline.at),
  );
  return ttl > 0 ? ttl : undefined;
}

/** See `Store.revoke`. */
export async function revoke(caller: Caller, id: LeaseId, deadline: Deadline): Promise<void> {
  try {
    await caller.call(
      deadline,
      async (client, options) => plainAnswer(await client.leaseClient.leaseRevoke({ ID: id }, options)),
    );
  } catch (error) {
    if (!isCausedBy(error, "requested lease not found")) throw error;
  }
}

/** See `Store.leases`. */
export function leases(caller: Caller, deadline: Deadline): Promise<LeaseId[]> {
  return caller.call(
    deadline,
    async (client, options) => leasesAnswer(await client.leaseClient.leaseLeases(options)),
  );
}

/** The time of a lease, or undefined if there is no such lease; with its keys if `keys` is true. */
export function timeToLive(
  caller: Caller,
  id: LeaseId,
  keys: boolean,
  deadline: Deadline,
): Promise<ReturnType<typeof timeToLiveAnswer>> {
  return caller.call(
    deadline,
    async (client, options) =>
      timeToLiveAnswer(await client.leaseClient.leaseTimeToLive({ ID: id, keys }, options), id),
  );
}
