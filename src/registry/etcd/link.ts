/** One connection to an endpoint, by npm:etcd3, and all that depends on it. This is the only road to etcd. */
import "./compat/http2.ts";
import { Etcd3, type IOptions } from "etcd3";
import type { Buffer } from "node:buffer";
import { type Endpoint, showEndpoint } from "../endpoint.ts";
import { notUnderstood } from "./explain.ts";
import { AttemptFailure } from "./failover.ts";
import { Pulse, type WatchStream } from "./streams.ts";
import type { Tls } from "./tls.ts";
import { announce, type Traffic, trafficHeader, withdraw } from "./compat/traffic.ts";

/** The longest message that is taken in, in bytes. */
export const maxMessage = 64 * 2 ** 20;

/** A part of an answer of so many bytes keeps the connection busy: all else has to wait behind it. */
const large = 1024;

/** The last of the statuses of gRPC, and the one for answers that are broken. */
const lastStatus = 16;
const statusInternal = 13;

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

/** The calls of etcd, over one link. */
export type Client = Etcd3;

export type RpcOptions = NonNullable<Parameters<Etcd3["kv"]["range"]>[1]>;
type Interceptor = NonNullable<RpcOptions["interceptors"]>[number];

/** What a link tells its owner. */
export interface LinkNews {
  /** How long it took from a request to its answer, in milliseconds. */
  readonly onRoundTrip: (ms: number) => void;
  /** It has ended. */
  readonly onEnd: () => void;
}

export class Link implements Disposable {
  readonly client: Etcd3;
  readonly #news: LinkNews;
  readonly #close: () => void;
  /** What is followed over it. */
  readonly watches = new Set<WatchStream>();
  /** The stream on which leases are refreshed, since the first was. */
  #pulse: Promise<Pulse> | undefined;
  /** What is under way, and is told when the connection is busy with something else. */
  readonly #calls = new Set<() => void>();
  #retired = false;
  #ended = false;
  /** When it was opened, connected as far as is known, and kept busy last, as of `performance.now()`. */
  readonly openedAt = performance.now();
  connectedAt: number | undefined;
  busyAt = -Infinity;

  /** Connects when it is used for the first time. */
  constructor(endpoint: Endpoint, tls: Tls | undefined, news: LinkNews) {
    this.#news = news;
    this.client = open(endpoint, tls);
    const close = keptOpen(this.client);
    this.#close = (): void => {
      close();
      this.client.close();
    };
  }

  /** Whether it is not to be used any more: we gave it up. */
  get isRetired(): boolean {
    return this.#retired;
  }

  /** Does something over it, which it is kept open for. `heard` is told whenever the answer may have to wait. */
  async use<T>(heard: () => void, call: () => Promise<T>): Promise<T> {
    // One for each call.
    const busy = (): void => heard();
    this.#calls.add(busy);
    try {
      return await call();
    } finally {
      this.#calls.delete(busy);
      if (this.#retired) this.#endWhenIdle();
    }
  }

  /**
   * What goes along with a call: the token, as etcd3's own log-in goes past the options of the channel, and the
   * wish for a leader, without which a member that has lost its cluster says nothing (`hasleader` in etcd's
   * `rpctypes/metadatafields.go`). A stream has no deadline; all else needs one besides.
   * @param heard is told whenever a part of the answer has come
   */
  options(token: string | undefined, heard: () => void = () => {}): RpcOptions {
    const withMetadata = (
      options: Parameters<Interceptor>[0],
      next: Parameters<Interceptor>[1],
    ): unknown => {
      const call = next(options);
      const start = call.start.bind(call);
      call.start = (metadata, listener) => {
        const tag = announce(this.#traffic(heard));
        metadata.set(trafficHeader, tag);
        metadata.set("hasleader", "true");
        if (token !== undefined) metadata.set("token", token);
        start(metadata, {
          onReceiveMetadata: (metadata) => listener?.onReceiveMetadata?.(metadata),
          onReceiveMessage: (message) => listener?.onReceiveMessage?.(message),
          onReceiveStatus: (status) => {
            withdraw(tag);
            const { code, details } = legible(status);
            // etcd3 would call again and again with the same token, where it knows these words.
            const replaced = details.replace("etcdserver: invalid", "invalid");
            listener?.onReceiveStatus?.({ ...status, code, details: replaced });
          },
        });
      };
      return call;
    };
    // grpc-js asks for no more than the interface, whatever its types say.
    return { interceptors: [withMetadata as Interceptor] };
  }

  #traffic(heard: () => void): Traffic {
    let sentAt: number | undefined;
    return {
      sent: (): void => {
        sentAt = performance.now();
        this.connectedAt ??= sentAt;
      },
      heard: (bytes): void => {
        if (sentAt !== undefined) this.#news.onRoundTrip(performance.now() - sentAt);
        sentAt = undefined;
        heard();
        if (bytes < large) return;
        this.busyAt = performance.now();
        for (const call of this.#calls) call();
      },
    };
  }

  /**
   * Refreshes a lease.
   * @param deadline as of `performance.now()`
   * @returns the seconds that it now has, 0 where it is gone
   */
  async beat(id: string, token: string | undefined, deadline: number): Promise<number> {
    const pulse = this.#pulse ??
      this.client.leaseClient.leaseKeepAlive(this.options(token)).then((stream) =>
        new Pulse(stream, () => this.#pulseEnded(pulse))
      );
    const sentAt = this.#pulse && performance.now();
    this.#pulse = pulse;
    try {
      const ttl = await (await pulse).beat(id, deadline);
      if (sentAt !== undefined) this.#news.onRoundTrip(performance.now() - sentAt);
      return ttl;
    } catch (error) {
      this.#pulseEnded(pulse);
      throw error;
    }
  }

  /** What the one stream has lost, the others may have lost too without a word: what they follow is in doubt. */
  #pulseEnded(pulse: Promise<Pulse>): void {
    if (this.#pulse !== pulse) return;
    this.#pulse = undefined;
    pulse.then((pulse) => pulse[Symbol.dispose](), () => {});
    this.endWatches("its connection is in doubt");
  }

  endWatches(reason: string): void {
    for (const watch of this.watches) watch.end(new AttemptFailure(reason, { advice: "health" }));
  }

  /** Uses it for nothing more. What is under way may still be answered, so it ends after that. */
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
    this.#pulse?.then((pulse) => pulse[Symbol.dispose](), () => {});
    this.#close();
    this.#news.onEnd();
  }

  #endWhenIdle(): void {
    if (this.#calls.size === 0) this[Symbol.dispose]();
  }
}

/** A status as grpc-js counts on it, though it has others itself where an answer cannot be read. */
function legible<T>({ code, details }: { code: T; details?: unknown }): { code: T; details: string } {
  return typeof code === "number" && code >= 0 && code <= lastStatus && typeof details === "string"
    ? { code, details }
    : { code: statusInternal as T, details: notUnderstood };
}

let opened = 0;

function open(endpoint: Endpoint, tls: Tls | undefined): Etcd3 {
  const { ca, client, serverName } = tls ?? {};
  return new Etcd3({
    hosts: showEndpoint(endpoint),
    faultHandling: { host: () => noPolicy, global: noPolicy },
    ...ca === undefined && client === undefined ? {} : {
      credentials: {
        // grpc-js takes null for the CAs of the system, which etcd3's types do not know.
        rootCertificate: (ca ?? null) as Buffer,
        ...client === undefined ? {} : { certChain: client.certificate, privateKey: client.key },
      },
    },
    grpcOptions: {
      // Channels that differ in nothing would share a connection, be it dead.
      "empusa.link": opened++,
      // Neither a TXT look-up of each name nor the proxy variables are wanted on the way to etcd.
      "grpc.service_config_disable_resolution": 1,
      "grpc.enable_http_proxy": 0,
      // Against a server that hangs up at once grpc-js 1.12.6 would retry without a pause until memory is full.
      "grpc.enable_retries": 0,
      // Nobody looks at its statistics.
      "grpc.enable_channelz": 0,
      "grpc.max_receive_message_length": maxMessage,
      "grpc.initial_reconnect_backoff_ms": 100,
      // The pauses between attempts are ours; these must not come on top.
      "grpc.max_reconnect_backoff_ms": 200,
      ...serverName === undefined ? {} : { "grpc.ssl_target_name_override": serverName },
    },
  });
}

/**
 * Keeps etcd3 from closing its channels when one call has failed: others may still be answered over them.
 * @returns what closes them
 */
function keptOpen(client: Etcd3): () => void {
  const { pool: { hosts } } = client as unknown as { pool: { hosts: { resetAllServices: () => void }[] } };
  const closers = hosts.map((host) => {
    const close = host.resetAllServices.bind(host);
    host.resetAllServices = (): void => {};
    return close;
  });
  return () => closers.forEach((close) => close());
}
