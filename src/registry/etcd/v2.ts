/** Reads the keys of etcd's v2 API, over HTTP. It validates every answer. */
import { EmpusaError, RefusedError } from "../../errors.ts";
import { shorten } from "../../system/escape.ts";
import { isObject } from "../../system/json.ts";
import { type Endpoint, showEndpoint } from "../endpoint.ts";
import type { Deadline } from "../store.ts";
import { AttemptFailure } from "./attempt.ts";
import type { Access } from "./credentials.ts";
import { toRegistryError } from "./errors.ts";
import { Failover } from "./failover.ts";
import { type Answer, get } from "./v2_http.ts";

/** One key of the v2 API. */
export interface OldEntry {
  /** The key below the tree root, such as `service/web/a`. */
  readonly path: string;
  readonly value: string;
  /** Whether the key, or a folder that contains it, has a TTL. */
  readonly expires: boolean;
}

/** Codes of etcd's v2 API (`server/etcdserver/api/v2error`). */
const keyNotFound = 100;
const raftErrors = [300, 301];

/**
 * All entries in a folder of the v2 API below the tree root, at any depth.
 * @param access how to connect; the login is for the v2 API, which has users of its own
 * @throws {UnreachableError} if no endpoint answers before the deadline
 * @throws {RefusedError} if etcd rejects the login
 * @throws {EmpusaError} if the answer is not from a v2 API
 */
export async function readOldEntries(
  endpoints: readonly Endpoint[],
  access: Access,
  { treeRoot, folder }: { readonly treeRoot: string; readonly folder: string },
  deadline: Deadline,
): Promise<OldEntry[]> {
  const members = endpoints.map((endpoint) => ({ name: showEndpoint(endpoint), endpoint }));
  const key = `${treeRoot}/${folder}`;
  // A linearizable read, so that a member that lags behind loses nothing.
  const path = `/v2/keys${
    key.split("/").map(encodeURIComponent).join("/")
  }?recursive=true&sorted=true&quorum=true`;
  const over = new AbortController();
  try {
    return await new Failover(members).run(deadline, async ({ endpoint, name }) => {
      const answer = await get(endpoint, access, path, deadline, over.signal).catch(async (cause) => {
        throw await asRegistryError(cause, endpoint, access);
      });
      const node = nodeOf(answer, name, access);
      return node === undefined ? [] : leaves(node, key, treeRoot, name);
    });
  } finally {
    // Ends the attempts that were slower.
    over.abort();
  }
}

/** grpc-js passes on the messages of node's sockets with this status. */
async function asRegistryError(cause: unknown, endpoint: Endpoint, { tls }: Access): Promise<unknown> {
  if (!(cause instanceof Error) || cause instanceof EmpusaError || cause instanceof AttemptFailure) {
    return cause;
  }
  const error = new Error(`14 UNAVAILABLE: ${cause.message}`, { cause });
  return await toRegistryError(error, {
    endpoint,
    tls,
    username: undefined,
    right: undefined,
    isAbandoned: false,
  });
}

interface Node {
  readonly key: string;
  readonly value: string | undefined;
  readonly nodes: readonly unknown[];
  readonly isFolder: boolean;
  readonly hasTtl: boolean;
}

/** The node in an answer, or undefined if the folder does not exist. */
function nodeOf({ status, text }: Answer, name: string, { login }: Access): unknown {
  const answer = parsed(text);
  if (status === 200 && isObject(answer) && "node" in answer) return answer.node;
  const code = isObject(answer) ? answer.errorCode : undefined;
  if (status === 404 && code === keyNotFound) return undefined;
  if (status === 401 || status === 403) {
    const what = login === undefined
      ? "requires a user name and a password"
      : `rejects user "${login.username}"`;
    throw new RefusedError(`the v2 API of etcd at ${name} refused: it ${what}`, {
      advice: ["credentials"],
    });
  }
  if (raftErrors.includes(Number(code)) || status === 503) {
    throw new AttemptFailure("its v2 API cannot serve reads now", { advice: "health" });
  }
  if (status === 404) {
    throw new EmpusaError(
      `etcd at ${name} has no v2 API: start an etcd of version 3.4 or 3.5 with --enable-v2 over the same data`,
    );
  }
  if (status >= 300 && status < 400) {
    throw new EmpusaError(`etcd at ${name} redirects requests of the v2 API; empusa follows no redirects`);
  }
  throw notV2(name, `status ${status}`);
}

function notV2(name: string, why: string): EmpusaError {
  return new EmpusaError(`the answer of ${name} is not from the v2 API of etcd: ${why}`);
}

function quoted(text: string): string {
  return JSON.stringify(shorten(text));
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The entries in a node. Every key must lie in its parent, so that an answer cannot smuggle in a key of another place. */
function leaves(node: unknown, key: string, treeRoot: string, name: string): OldEntry[] {
  const entries: OldEntry[] = [];
  /** A stack of its own, as an answer may be nested deeper than the call stack. */
  const open: { readonly node: unknown; readonly parent: string | undefined; readonly expires: boolean }[] = [
    { node, parent: undefined, expires: false },
  ];
  for (let next; (next = open.pop()) !== undefined;) {
    const { parent } = next;
    const found = checked(next.node, name);
    const isInPlace = parent === undefined
      ? found.key === key
      : found.key.startsWith(`${parent}/`) && !found.key.slice(parent.length + 1).includes("/") &&
        found.key.length > parent.length + 1;
    if (!isInPlace) {
      throw notV2(name, `${quoted(found.key)} does not lie in ${quoted(parent ?? key)}`);
    }
    const expires = next.expires || found.hasTtl;
    for (const child of found.nodes.toReversed()) open.push({ node: child, parent: found.key, expires });
    if (found.isFolder) continue;
    if (found.value === undefined) throw notV2(name, `${quoted(found.key)} has no value`);
    entries.push({ path: found.key.slice(treeRoot.length + 1), value: found.value, expires });
  }
  return entries;
}

/** @throws {EmpusaError} if it is not a node */
function checked(node: unknown, name: string): Node {
  if (!isObject(node)) throw notV2(name, "a node is not an object");
  const { key, value, nodes = [], dir = false, ttl, expiration } = node;
  if (typeof key !== "string" || typeof dir !== "boolean" || !Array.isArray(nodes)) {
    throw notV2(name, "a node has no key, or is malformed");
  }
  if (value !== undefined && typeof value !== "string") throw notV2(name, "a value is not a string");
  return { key, value, nodes, isFolder: dir, hasTtl: ttl !== undefined || expiration !== undefined };
}
