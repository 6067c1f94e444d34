/** Requests to etcd by HTTP, which cost no process: by its JSON gateway, and for its metrics. */

type Part = Readonly<Record<string, unknown>>;

const base64 = (text: string): string => btoa(String.fromCharCode(...new TextEncoder().encode(text)));

/** Holds if there is no such key. */
export function absent(key: string): Part {
  return { key: base64(key), target: "CREATE", create_revision: "0" };
}

export function put(key: string, value: string): Part {
  return { request_put: { key: base64(key), value: base64(value) } };
}

/** @throws {Error} with the words of an etcd that refuses it */
export async function transact(
  url: string,
  transaction: { readonly compare?: readonly Part[]; readonly success: readonly Part[] },
): Promise<void> {
  const answer = await fetch(`${url}/v3/kv/txn`, { method: "POST", body: JSON.stringify(transaction) });
  const { error } = await answer.json();
  if (error !== undefined) throw new Error(error);
}

/** How many keys begin with a prefix. */
export async function count(url: string, prefix: string): Promise<number> {
  const end = `${prefix.slice(0, -1)}${String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1)}`;
  const body = JSON.stringify({ key: base64(prefix), range_end: base64(end), count_only: true });
  const answer = await fetch(`${url}/v3/kv/range`, { method: "POST", body });
  return Number((await answer.json()).count ?? 0);
}

/**
 * The sum of a figure among the metrics of an etcd over its labels, as far as they match a pattern.
 * @param patience milliseconds
 */
export async function figure(
  url: string,
  name: string,
  labels = "(?:\\{.*\\})?",
  patience = 10_000,
): Promise<number> {
  const answer = await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(patience) });
  const found = (await answer.text()).matchAll(new RegExp(`^${name}${labels} (\\S+)$`, "gm"));
  return found.reduce((sum, [, value]) => sum + Number(value), 0);
}
