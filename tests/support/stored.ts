/** What an etcd holds, seen by etcdctl. */
import type { Etcd } from "./etcd.ts";

export interface Stored {
  readonly value: string;
  /** The revisions in which it was last written, and created. */
  readonly revision: number;
  readonly created: number;
  /** In decimal; empty without one. */
  readonly lease: string;
}

/** The entries below "/", or below another prefix, by key. */
export async function stored(etcd: Etcd, prefix = "/"): Promise<Map<string, Stored>> {
  const text = await etcd.etcdctl("get", "--prefix", prefix, "-w", "json");
  // Their IDs exceed 2^53.
  const { kvs = [] } = JSON.parse(text.replace(/"lease":(\d+)/g, '"lease":"$1"'));
  return new Map(kvs.map((
    { key, value, mod_revision, create_revision, lease }: Record<string, string>,
  ) => [atob(`${key}`), {
    value: atob(`${value}`),
    revision: Number(mod_revision),
    created: Number(create_revision),
    lease: `${lease ?? ""}`,
  }]));
}
