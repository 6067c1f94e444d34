/** One endpoint with its channels: usually one; more only while that one is silent. */
import { type Endpoint, showEndpoint } from "../endpoint.ts";
import { Channel } from "./channel.ts";
import { Probe } from "./probe.ts";
import type { Tls } from "./tls.ts";

/** Milliseconds that a channel may take to connect before another one is opened. */
const connectTimeout = 2000;

/** The round trip is the shortest of so many. */
const roundTripSamples = 4;

/** How many silent channels beside the newest one may still answer. */
const maxOlder = 2;

export class Member implements Disposable {
  readonly endpoint: Endpoint;
  readonly name: string;
  /** The token of the last login, shared by all calls. Undefined before the first login, and after etcd rejected it. */
  token: Promise<string | undefined> | undefined;
  readonly #tls: () => Tls | undefined;
  readonly #probe: Probe;
  #channel: Channel;
  /** Channels that were silent or abandoned, the oldest first. */
  readonly #older = new Set<Channel>();
  readonly #roundTrips: number[] = [];

  /** @param tls is called for each new channel */
  constructor(endpoint: Endpoint, tls: () => Tls | undefined) {
    this.endpoint = endpoint;
    this.name = showEndpoint(endpoint);
    this.#tls = tls;
    this.#probe = new Probe(endpoint);
    this.#channel = this.#open();
  }

  /** The channel for new calls. */
  get channel(): Channel {
    return this.#channel;
  }

  /** Milliseconds from a request to its answer: the shortest of the last few, 0 if unknown. */
  get roundTrip(): number {
    return this.#roundTrips.length === 0 ? 0 : Math.min(...this.#roundTrips);
  }

  /**
   * Opens a new channel for new calls, as this one is silent. Its running calls may still be answered.
   * @returns false if that is too early, as the channel is still connecting
   */
  suspect(channel: Channel): boolean {
    if (channel !== this.#channel) return true;
    const timeout = Math.max(connectTimeout, 2 * this.roundTrip);
    if (channel.connectedAt === undefined && performance.now() - channel.openedAt < timeout) return false;
    this.replace(channel);
    return true;
  }

  /** Opens a new channel for new calls, unless that has already happened. */
  replace(channel: Channel = this.#channel): void {
    if (channel !== this.#channel) return;
    this.#older.add(channel);
    this.#channel = this.#open();
    const unanswered = [...this.#older].filter(({ isRetired }) => !isRetired);
    if (unanswered.length > maxOlder) unanswered[0]?.retire("it is silent");
  }

  /** Replaces a channel whose connection broke. */
  discard(channel: Channel): void {
    this.replace(channel);
    channel.retire("its connection is broken");
  }

  /** Keeps the channel that an answer came over, and retires the others. */
  confirm(channel: Channel): void {
    if (channel !== this.#channel) {
      if (channel.isRetired) return;
      this.#channel.retire("another connection answers");
      this.#older.delete(channel);
      this.#channel = channel;
    }
    for (const older of this.#older) older.retire("it is silent");
  }

  /** Probes whether the endpoint can be reached again; if so, opens a new channel and calls `onReachable`. */
  probe(onReachable: () => void): Disposable {
    const since = performance.now();
    return this.#probe.begin(() => {
      // A channel that has connected meanwhile is as good.
      if ((this.#channel.connectedAt ?? 0) > since) return;
      this.replace();
      onReachable();
    });
  }

  endWatches(reason: string): void {
    for (const channel of [...this.#older, this.#channel]) channel.endWatches(reason);
  }

  [Symbol.dispose](): void {
    for (const channel of [...this.#older, this.#channel]) channel[Symbol.dispose]();
  }

  #open(): Channel {
    const channel: Channel = new Channel(this.endpoint, this.#tls(), {
      onRoundTrip: (ms) => {
        this.#roundTrips.push(ms);
        if (this.#roundTrips.length > roundTripSamples) this.#roundTrips.shift();
      },
      onEnd: () => this.#older.delete(channel),
    });
    return channel;
  }
}
