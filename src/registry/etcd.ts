/** `Store` over npm:etcd3, the only road to etcd. What etcd3 and grpc-js say is turned into our words here. */
import { Etcd3, type IKeyValue, type IOptions } from "etcd3";
import { Buffer } from "node:buffer";
import { EmpusaError, RefusedError } from "../errors.ts";
import { type Endpoint, showEndpoint } from "./endpoint.ts";
import { AttemptFailure, Failover } from "./failover.ts";
import type { Entry, LeaseId, Limit, Store } from "./store.ts";

/** How many keys are read at once: few enough for etcd's limits on a message, many enough to be quick. */
const pageSize = 1000;

type Policy = NonNullable<NonNullable<IOptions["faultHandling"]>["global"]>;

/**
 * No policy at all: etcd3's own retries go beyond the deadline, and its circuit breaker hides what happened
 * and goes on failing for five seconds after etcd is back.
 */
const noPolicy = {
  // Async, as etcd3 counts on a promise even where the operation throws.
  execute: async (operation: (context: { signal: AbortSignal }) => unknown) =>
    await operation({ signal: new AbortController().signal }),
} as unknown as Policy;

/** The RPCs that one attempt is made of; those of the library's helpers that ignore deadlines are not used. */
type Client = Etcd3;

interface CallOptions {
  readonly deadline: number;
}

export class EtcdStore implements Store {
  readonly #clients: readonly Client[];
  readonly #failover: Failover<Client>;

  /** Connects to nothing: the first operation does. A client for each endpoint, as etcd3 picks at random. */
  constructor(endpoints: readonly Endpoint[]) {
    const members = endpoints.map((endpoint) => ({ name: showEndpoint(endpoint), client: open(endpoint) }));
    this.#clients = members.map(({ client }) => client);
    this.#failover = new Failover(members);
  }

  async list(prefix: string, limit: Limit): Promise<Entry[]> {
    const entries: Entry[] = [];
    const range_end = endOfPrefix(prefix);
    let key = Buffer.from(prefix);
    let revision = "0";
    for (;;) {
      const page = await this.#call(
        limit,
        (client, options) => client.kv.range({ key, range_end, revision, limit: pageSize }, options),
      );
      entries.push(...page.kvs.map(entry));
      const last = page.kvs.at(-1);
      if (!page.more || last === undefined) return entries;
      if (revision === "0") revision = page.header.revision;
      key = Buffer.concat([last.key, Buffer.of(0)]);
    }
  }

  async put(key: string, value: string, lease: LeaseId | undefined, limit: Limit): Promise<void> {
    const put = { key: Buffer.from(key), value: Buffer.from(value), lease: lease ?? "0" };
    await this.#call(limit, (client, options) => client.kv.put(put, options));
  }

  async create(key: string, value: string, limit: Limit): Promise<boolean> {
    const at = Buffer.from(key);
    const { succeeded } = await this.#call(limit, (client, options) =>
      client.kv.txn({
        compare: [{ key: at, target: "Create", result: "Equal", create_revision: "0" }],
        success: [{ request_put: { key: at, value: Buffer.from(value) } }],
      }, options));
    return succeeded;
  }

  async delete(key: string, limit: Limit): Promise<boolean> {
    const { deleted } = await this.#call(
      limit,
      (client, options) => client.kv.deleteRange({ key: Buffer.from(key) }, options),
    );
    return deleted !== "0";
  }

  async grant(id: LeaseId, ttl: number, limit: Limit): Promise<number> {
    try {
      const granted = await this.#call(
        limit,
        (client, options) => client.leaseClient.leaseGrant({ ID: id, TTL: ttl }, options),
      );
      return Number(granted.TTL);
    } catch (error) {
      if (!says(error, "lease already exists")) throw error;
      // An earlier try of ours came through and only its answer was lost.
      return Number((await this.#timeToLive(id, limit)).grantedTTL);
    }
  }

  async keepAlive(id: LeaseId, limit: Limit): Promise<number | undefined> {
    const ttl = await this.#call(limit, (client, options) => keepAliveOnce(client, id, options));
    return ttl > 0 ? ttl : undefined;
  }

  async revoke(id: LeaseId, limit: Limit): Promise<void> {
    try {
      await this.#call(limit, (client, options) => client.leaseClient.leaseRevoke({ ID: id }, options));
    } catch (error) {
      if (!says(error, "requested lease not found")) throw error;
    }
  }

  async remaining(id: LeaseId, limit: Limit): Promise<number | undefined> {
    const seconds = Number((await this.#timeToLive(id, limit)).TTL);
    return seconds < 0 ? undefined : seconds;
  }

  close(): void {
    for (const client of this.#clients) client.close();
  }

  #timeToLive(id: LeaseId, limit: Limit): Promise<{ TTL: string; grantedTTL: string }> {
    return this.#call(
      limit,
      (client, options) => client.leaseClient.leaseTimeToLive({ ID: id, keys: false }, options),
    );
  }

  #call<T>(limit: Limit, rpc: (client: Client, options: CallOptions) => Promise<T>): Promise<T> {
    return this.#failover.run(limit, async (client, deadline) => {
      try {
        return await rpc(client, { deadline });
      } catch (error) {
        throw translate(error);
      }
    });
  }
}

function open(endpoint: Endpoint): Client {
  return new Etcd3({
    hosts: showEndpoint(endpoint),
    faultHandling: { host: () => noPolicy, global: noPolicy },
    grpcOptions: {
      // Neither a TXT look-up of each name nor the proxy variables are wanted on the way to etcd.
      "grpc.service_config_disable_resolution": 1,
      "grpc.enable_http_proxy": 0,
      "grpc.max_receive_message_length": -1,
      "grpc.keepalive_time_ms": 10_000,
      "grpc.keepalive_timeout_ms": 2_000,
      "grpc.initial_reconnect_backoff_ms": 100,
      "grpc.max_reconnect_backoff_ms": 1_000,
    },
  });
}

/** One round of the keep-alive stream; the seconds that are left, 0 where the lease is gone. */
async function keepAliveOnce(client: Client, id: LeaseId, options: CallOptions): Promise<number> {
  const stream = await client.leaseClient.leaseKeepAlive(options);
  const answer = new Promise<number>((resolve, reject) => {
    stream.on("data", ({ TTL }) => resolve(Number(TTL)));
    stream.on("error", reject);
    stream.on("end", () => reject(new Error("the keep-alive stream ended without an answer")));
  });
  stream.write({ ID: id });
  try {
    return await answer;
  } finally {
    stream.end();
  }
}

function entry({ key, value, lease }: IKeyValue): Entry {
  return { key, value, lease: lease === "0" ? undefined : lease };
}

/** The first key behind all that begin with `prefix`, which ends in an ASCII character. */
function endOfPrefix(prefix: string): Buffer<ArrayBuffer> {
  const end = Buffer.from(prefix);
  const last = end.length - 1;
  end[last] = (end[last] as number) + 1;
  return end;
}

/** Whether etcd's own words are behind an error of ours. */
function says(error: unknown, words: string): boolean {
  return error instanceof EmpusaError && error.cause instanceof Error && error.cause.message.includes(words);
}

/** Decides whether another attempt makes sense, and says what happened in our words. */
function translate(cause: unknown): Error {
  if (!(cause instanceof Error)) return new EmpusaError(`etcd3 failed: ${cause}`, { cause });
  // grpc-js begins with the number and name of the status; etcd3 puts the name of its own class before it.
  const [, code, details = cause.message] = /(?:^|: )(\d+) [A-Z_]+: (.*)$/s.exec(cause.message) ?? [];
  const message = details.replace(/^etcdserver: /, "");
  switch (code) {
    case "7": // PERMISSION_DENIED
    case "16": // UNAUTHENTICATED
      return new RefusedError(`etcd refused: ${message}`, { cause });
    case "1": // CANCELLED
    case "2": // UNKNOWN
    case "4": // DEADLINE_EXCEEDED
    case "13": // INTERNAL
    case "14": // UNAVAILABLE
      return new AttemptFailure(connectionFailure(message), { cause });
    default:
      if (/user name is empty|authentication failed|auth token/.test(message)) {
        return new RefusedError(`etcd refused: ${message}`, { cause });
      }
      return new EmpusaError(`etcd failed: ${message}`, { cause });
  }
}

function connectionFailure(message: string): string {
  if (message.includes("ECONNREFUSED")) return "connection refused";
  if (/deadline exceeded/i.test(message)) return "no answer in time";
  if (/name resolution failed|ENOTFOUND/i.test(message)) return "the host name is unknown";
  return message;
}
