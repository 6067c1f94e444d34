/** Keys and leases that somebody takes away. */
import { pause } from "../../tests/support/pause.ts";
import type { Bed } from "./bed.ts";
import type { Fault } from "./fault.ts";
import { ask, askAny } from "./gateway.ts";
import { allClients, bothWays } from "./network.ts";

async function deleteKeys({ urls: [url = ""], keys }: Bed): Promise<void> {
  await Promise.all(keys.map((key) => ask(url, "kv/deleterange", { key: btoa(key) }, 1000)));
}

export const keysDeleted: Fault = { name: "the keys deleted", deletes: 0, run: deleteKeys };

export const leasesRevoked: Fault = {
  name: "the leases revoked",
  deletes: 0,
  run: async ({ urls, keys }) => {
    for (const key of keys) {
      const { kvs: [entry] = [] } = await askAny(urls, "kv/range", { key: btoa(key) });
      // One that has ended meanwhile is as good.
      await ask(urls[0] ?? "", "lease/revoke", { ID: entry?.lease }, 1000).catch(() => {});
    }
  },
};

/** A connection that dies without a word is noticed at the next refresh: a third of the TTL, and the time for it. */
const unheard = 2200;

export function keysDeletedBehind(node: string): Fault {
  return {
    name: `DROP both ways, ${node}, and the keys deleted`,
    deletes: unheard,
    run: async (bed, milliseconds) => {
      await bed.network.filter(bothWays(allClients, node), "-j DROP");
      await pause(200);
      await deleteKeys(bed);
      await pause(milliseconds);
    },
  };
}
