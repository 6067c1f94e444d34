/** What etcd's users may do with keys. */
import { Buffer } from "node:buffer";
import type { Client, RpcOptions } from "./channel.ts";

/** The permission that an operation needs. */
export interface Right {
  readonly verb: "read" | "write" | "readwrite";
  readonly key: string;
  /** Whether the permission covers all keys that begin with `key`. */
  readonly prefix?: boolean;
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
 * The missing half of a right to read and write: etcd only says that the user lacks some of it.
 * @param isAllowed whether etcd permits a request
 */
export async function missingRight(
  { key, ...rest }: Right,
  isAllowed: (rpc: (client: Client, options: RpcOptions) => Promise<unknown>) => Promise<boolean>,
): Promise<Right> {
  const at = Buffer.from(key);
  const isReadable = await isAllowed((client, options) =>
    client.kv.range({ key: at, limit: 1, keys_only: true }, options)
  );
  if (isReadable) return { ...rest, key, verb: "write" };
  const put = { request_put: { key: at, value: Buffer.of() } };
  const isWritable = await isAllowed((client, options) => client.kv.txn(dryRun(put, at), options));
  return { ...rest, key, verb: isWritable ? "read" : "readwrite" };
}
