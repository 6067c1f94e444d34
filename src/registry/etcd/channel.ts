/** One channel to an endpoint, by npm:etcd3. This is the only file that imports etcd3. */
import "./compat/http2.ts";
import { Etcd3, type IOptions } from "etcd3";
import type { Buffer } from "node:buffer";
import { type Endpoint, showEndpoint } from "../endpoint.ts";
import type { Deadline } from "../store.ts";
import { AttemptFailure } from "./attempt.ts";
import { tagCall, type Traffic, trafficHeader, untagCall } from "./compat/traffic.ts";
import { undecodable } from "./connection_errors.ts";
import { KeepAliveStream } from "./keepalive_stream.ts";
import type { Tls } from "./tls.ts";
import type { WatchStream } from "./watch_stream.ts";

/** The longest message that empusa accepts, in bytes. */
const maxMessage = 64 * 2 ** 20;

/** A part of an answer with more bytes keeps the connection busy: all other answers wait behind it. */
const large = 1024;

/** The highest status code of gRPC, and the one for answers that cannot be decoded. */
const lastStatus = 16;
const statusInternal = 13;

type Policy = NonNullable<NonNullable<IOptions["faultHandling"]>["global"]>;

/**
 * No policy at all: etcd3's own retries ignore the deadline, and its circuit breaker hides the cause and keeps failing
 * for five seconds after etcd is back.
 */
const noPolicy = {
  // Async, as etcd3 expects a promise even if the operation throws.
  execute: async (operation: (context: { signal: AbortSignal }) => unknown) =>
    await operation({ signal: new AbortController().signal }),
} as unknown as Policy;

/** The RPCs of etcd, over one channel. */
export type Client = Etcd3;

export type RpcOptions = NonNullable<Parameters<Etcd3["kv"]["range"]>[1]>;
type Interceptor = NonNullable<RpcOptions["interceptors"]>[number];

/** What a channel reports to its member. */
export interface ChannelEvents {
  /** A request was answered after so many milliseconds. */
  readonly onRoundTrip: (ms: number) => void;
  /** The channel is closed. */
  readonly onEnd: () => void;
}

/** A deadline as grpc-js takes it, on the clock of `Date.now()`. */
export function clockDeadline({ at }: Deadline): number {
  return Date.now() + at - performance.now();
}

export class Channel implements Disposable {
  readonly client: Etcd3;
  readonly #events: ChannelEvents;
  readonly #close: () => void;
  /** The watches that it carries. */
  readonly watches = new Set<WatchStream>();
  /** The stream that refreshes leases, from the first refresh on. */
  #keepAlive: Promise<KeepAliveStream> | undefined;
  /** The running calls. Each gets notice when the connection is busy with other answers. */
  readonly #calls = new Set<() => void>();
  #retired = false;
  #ended = false;
  /** When it was opened, connected (if known) and last busy, on the clock of `performance.now()`. */
  readonly openedAt = performance.now();
  connectedAt: number | undefined;
  busyAt = -Infinity;

  /** Connects on the first call. */
  constructor(endpoint: Endpoint, tls: Tls | undefined, events: ChannelEvents) {
    this.#events = events;
    this.client = open(endpoint, tls);
    const close = takeOver(this.client);
    this.#close = (): void => {
      close();
      this.client.close();
    };
  }

  /** Whether empusa has abandoned it: new calls must use another channel. */
  get isRetired(): boolean {
    return this.#retired;
  }

  /** Makes a call, and keeps the channel open until it is over. `onBusy` is called when other answers delay this one. */
  async use<T>(onBusy: () => void, call: () => Promise<T>): Promise<T> {
    // A function of its own for each call, as callers may share one.
    const busy = (): void => onBusy();
    this.#calls.add(busy);
    try {
      return await call();
    } finally {
      this.#calls.delete(busy);
      if (this.#retired) this.#endWhenIdle();
    }
  }

  /**
   * The options of a call. They carry the token, as etcd3's own login ignores the options of the channel, and require a
   * leader: a member that has lost its cluster stays silent otherwise (`hasleader` in etcd's
   * `rpctypes/metadatafields.go`). They set no deadline: a stream must have none, and every other call needs one.
   * @param onData is called whenever a part of the answer arrives
   */
  options(token: string | undefined, onData: () => void = () => {}): RpcOptions {
    const withMetadata = (
      options: Parameters<Interceptor>[0],
      next: Parameters<Interceptor>[1],
    ): unknown => {
      const call = next(options);
      const start = call.start.bind(call);
      call.start = (metadata, listener) => {
        const tag = tagCall(this.#traffic(onData));
        metadata.set(trafficHeader, tag);
        metadata.set("hasleader", "true");
        if (token !== undefined) metadata.set("token", token);
        start(metadata, {
          onReceiveMetadata: (metadata) => listener?.onReceiveMetadata?.(metadata),
          onReceiveMessage: (message) => listener?.onReceiveMessage?.(message),
          onReceiveStatus: (status) => {
            untagCall(tag);
            const { code, details } = normalizeStatus(status);
            // If etcd3 recognizes these words, it repeats the call again and again with the same token.
            const replaced = details.replace("etcdserver: invalid", "invalid");
            listener?.onReceiveStatus?.({ ...status, code, details: replaced });
          },
        });
      };
      return call;
    };
    // grpc-js uses no more than the interface, whatever its types say.
    return { interceptors: [withMetadata as Interceptor] };
  }

  #traffic(onData: () => void): Traffic {
    let sentAt: number | undefined;
    return {
      onSent: (): void => {
        sentAt = performance.now();
        this.connectedAt ??= sentAt;
      },
      onData: (bytes): void => {
        if (sentAt !== undefined) this.#events.onRoundTrip(performance.now() - sentAt);
        sentAt = undefined;
        onData();
        if (bytes < large) return;
        this.busyAt = performance.now();
        for (const call of this.#calls) call();
      },
    };
  }

  /**
   * Refreshes a lease.
   * @param deadline on the clock of `performance.now()`
   * @returns the TTL of the lease in seconds, 0 if the lease is gone
   */
  async refresh(id: string, token: string | undefined, deadline: number): Promise<number> {
    const stream = this.#keepAlive ??
      this.client.leaseClient.leaseKeepAlive(this.options(token)).then((duplex) =>
        new KeepAliveStream(duplex, () => this.#keepAliveEnded(stream))
      );
    const sentAt = this.#keepAlive && performance.now();
    this.#keepAlive = stream;
    try {
      const ttl = await (await stream).refresh(id, deadline);
      if (sentAt !== undefined) this.#events.onRoundTrip(performance.now() - sentAt);
      return ttl;
    } catch (error) {
      this.#keepAliveEnded(stream);
      throw error;
    }
  }

  /** If one stream has lost its answers, the watches may have lost changes without notice: they end as well. */
  #keepAliveEnded(stream: Promise<KeepAliveStream>): void {
    if (this.#keepAlive !== stream) return;
    this.#keepAlive = undefined;
    stream.then((stream) => stream[Symbol.dispose](), () => {});
    this.endWatches("its connection may be dead");
  }

  endWatches(reason: string): void {
    for (const watch of this.watches) watch.end(new AttemptFailure(reason, { advice: "health" }));
  }

  /** Accepts no new calls. The running calls may still be answered; the channel closes after the last one. */
  retire(reason: string): void {
    if (this.#retired) return;
    this.#retired = true;
    this.endWatches(reason);
    this.#endWhenIdle();
  }

  [Symbol.dispose](): void {
    this.#retired = true;
    if (this.#ended) return;
    this.#ended = true;
    this.endWatches("it was closed");
    this.#keepAlive?.then((stream) => stream[Symbol.dispose](), () => {});
    this.#close();
    this.#events.onEnd();
  }

  #endWhenIdle(): void {
    if (this.#calls.size === 0) this[Symbol.dispose]();
  }
}

/** A status that grpc-js accepts: if an answer cannot be decoded, grpc-js itself produces others. */
function normalizeStatus<T>({ code, details }: { code: T; details?: unknown }): { code: T; details: string } {
  return typeof code === "number" && code >= 0 && code <= lastStatus && typeof details === "string"
    ? { code, details }
    : { code: statusInternal as T, details: undecodable };
}

let opened = 0;

function open(endpoint: Endpoint, tls: Tls | undefined): Etcd3 {
  const { ca, client, serverName } = tls ?? {};
  return new Etcd3({
    hosts: showEndpoint(endpoint),
    faultHandling: { host: () => noPolicy, global: noPolicy },
    ...ca === undefined && client === undefined ? {} : {
      credentials: {
        // null stands for the CAs of the system; the types of etcd3 do not know that.
        rootCertificate: (ca ?? null) as Buffer,
        ...client === undefined ? {} : { certChain: client.certificate, privateKey: client.key },
      },
    },
    grpcOptions: {
      // grpc-js gives channels with equal options one connection, even a dead one.
      "empusa.channel": opened++,
      // Without these, grpc-js looks up a TXT record for each name, and obeys the proxy variables.
      "grpc.service_config_disable_resolution": 1,
      "grpc.enable_http_proxy": 0,
      // If a server closes each connection at once, grpc-js 1.12.6 retries without a pause until memory is full.
      "grpc.enable_retries": 0,
      // Nothing reads its statistics.
      "grpc.enable_channelz": 0,
      "grpc.max_receive_message_length": maxMessage,
      "grpc.initial_reconnect_backoff_ms": 100,
      // empusa pauses between attempts itself; longer pauses here would add up.
      "grpc.max_reconnect_backoff_ms": 200,
      ...serverName === undefined ? {} : { "grpc.ssl_target_name_override": serverName },
    },
  });
}

/** What etcd3 has of an endpoint: a client of grpc-js for each service. */
interface Host {
  readonly channelOptions: { channelOverride?: unknown };
  getServiceClient(name: string): { getChannel(): unknown };
  resetAllServices(): void;
}

/**
 * Gives the services one channel of grpc-js together, as etcd3 makes one for each, which costs time and memory; and keeps etcd3 from
 * closing it after a failed call: other calls may still be answered over it.
 * @returns the function that closes it
 */
function takeOver(client: Etcd3): () => void {
  const { pool: { hosts } } = client as unknown as { pool: { hosts: Host[] } };
  const closers = hosts.map((host) => {
    const [get, close] = [host.getServiceClient.bind(host), host.resetAllServices.bind(host)];
    host.getServiceClient = (name): ReturnType<Host["getServiceClient"]> => {
      const service = get(name);
      host.channelOptions.channelOverride ??= service.getChannel();
      return service;
    };
    host.resetAllServices = (): void => {};
    return close;
  });
  return () => closers.forEach((close) => close());
}
