/** What etcd's users may do with keys. */
import { Buffer } from "node:buffer";
import type { Client, RpcOptions } from "./channel.ts";

/** The permission that an operation needs. */
export interface Right {
  readonly verb: "read" | "write" | "readwrite";
  readonly key: string;
  /** The permission covers all keys from `key` up to, but not including, this one. */
  readonly end?: Uint8Array;
}

type TxnRequest = Parameters<Client["kv"]["txn"]>[0];
type RequestOp = NonNullable<TxnRequest["success"]>[number];

/**
 * A transaction that changes nothing, as its comparison never holds. etcd checks the permissions and the space for the
 * request all the same.
 */
export function dryRun(request: RequestOp, key: Buffer): TxnRequest {
  return {
    compare: [{ key, target: "Create", result: "Less", create_revision: "0" }],
    success: [request],
  };
}

/**
 * The right that is missing: etcd only says that the user lacks some of them, or a part of one.
 * @param isAllowed whether etcd permits a request
 */
export async function missingRight(
  rights: readonly Right[],
  isAllowed: (rpc: (client: Client, options: RpcOptions) => Promise<unknown>) => Promise<boolean>,
): Promise<Right | undefined> {
  const [first] = rights;
  // Whoever reads one key lacks just that.
  if (rights.length <= 1 && first?.verb !== "readwrite") return first;
  for (const { verb, key, ...rest } of rights) {
    const at = Buffer.from(key);
    const range = { key: at, range_end: rest.end === undefined ? Buffer.of() : Buffer.from(rest.end) };
    const put = { request_put: { key: at, value: Buffer.of() } };
    const lacksRead = verb !== "write" &&
      !await isAllowed((client, options) =>
        client.kv.range({ ...range, limit: 1, keys_only: true }, options)
      );
    const lacksWrite = verb !== "read" &&
      !await isAllowed((client, options) => client.kv.txn(dryRun(put, at), options));
    if (lacksRead || lacksWrite) {
      return { ...rest, key, verb: !lacksWrite ? "read" : lacksRead ? "readwrite" : "write" };
    }
  }
  return first;
}
