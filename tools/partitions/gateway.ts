/** Talks to etcd through its own JSON gateway, which shares no code with the program under test. */

/** What etcd answers, as far as it is read here. The gateway writes 64-bit numbers as strings, keys in base64. */
export interface Answer {
  readonly header?: { readonly member_id?: string; readonly revision?: string };
  readonly leader?: string;
  readonly kvs?: readonly KeyValue[];
}

export interface KeyValue {
  readonly key: string;
  readonly value?: string;
  readonly mod_revision: string;
  readonly lease?: string;
}

/** Everything under a prefix, as the gateway names a range. */
export function rangeOf(prefix: string): { readonly key: string; readonly range_end: string } {
  const end = prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1);
  return { key: btoa(prefix), range_end: btoa(end) };
}

/**
 * Calls a method such as `kv/range`.
 * @param patience milliseconds
 * @throws {Error} if no answer comes in time, or etcd refuses
 */
export async function ask(url: string, method: string, body: unknown, patience: number): Promise<Answer> {
  const response = await fetch(`${url}/v3/${method}`, {
    method: "POST",
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(patience),
  });
  // What a refusal looks like differs from version to version.
  if (!response.ok) throw new Error(await response.text());
  return await response.json();
}

/** Calls a method at the first member that answers. */
export async function askAny(urls: readonly string[], method: string, body: unknown): Promise<Answer> {
  return await Promise.any(urls.map((url) => ask(url, method, body, 1000)));
}
