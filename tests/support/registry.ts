/** A registry with the tree root /foo, on a real etcd or on what stands between. */
import { type Access, openRegistry, parseEndpoints, type Registry } from "../../src/registry/mod.ts";

/** @param timeout milliseconds for each operation */
export function open(
  { endpoint }: { readonly endpoint: string },
  timeout = 5000,
  login?: Access["login"],
): Promise<Registry> {
  return openRegistry({
    endpoints: parseEndpoints(endpoint, "http"),
    treeRoot: "/foo",
    timeout,
    by: () => "test",
    ...login === undefined ? {} : { login },
  });
}
