/** One endpoint with its connections: as a rule one, and others beside it only while it is silent. */
import { type Endpoint, showEndpoint } from "../endpoint.ts";
import { Link } from "./link.ts";
import { Probe } from "./probe.ts";
import type { Tls } from "./tls.ts";

/** How long a connection may take to be made before another one is tried beside it, in milliseconds. */
const longestConnecting = 2000;

/** How many answers the round trip is taken from. */
const samples = 4;

/** How many connections there may be beside the newest one from which an answer may still come. */
const mostOlder = 2;

export class Member implements Disposable {
  readonly endpoint: Endpoint;
  readonly name: string;
  /** That it gave us. Shared by all who need one at a time; missing until then, and after it was found to be dead. */
  token: Promise<string | undefined> | undefined;
  readonly #tls: () => Tls | undefined;
  readonly #probe: Probe;
  #link: Link;
  /** Connections that were silent for a while, or were given up, the oldest first. */
  readonly #older = new Set<Link>();
  readonly #roundTrips: number[] = [];

  /** @param tls is asked whenever a connection is made */
  constructor(endpoint: Endpoint, tls: () => Tls | undefined) {
    this.endpoint = endpoint;
    this.name = showEndpoint(endpoint);
    this.#tls = tls;
    this.#probe = new Probe(endpoint);
    this.#link = this.#open();
  }

  /** What to ask over. */
  get link(): Link {
    return this.#link;
  }

  /** Milliseconds from a request to its answer, as quick as it was lately; 0 where nothing is known. */
  get roundTrip(): number {
    return this.#roundTrips.length === 0 ? 0 : Math.min(...this.#roundTrips);
  }

  /**
   * That connection is silent: the next one to ask over is a new one. What is under way may still be answered.
   * @returns false where that would be too early, as it is only being made
   */
  doubt(link: Link): boolean {
    if (link !== this.#link) return true;
    const patience = Math.max(longestConnecting, 2 * this.roundTrip);
    if (link.connectedAt === undefined && performance.now() - link.openedAt < patience) return false;
    this.replace(link);
    return true;
  }

  /** Asks over a new connection from now on, if it was that one until now. */
  replace(link: Link = this.#link): void {
    if (link !== this.#link) return;
    this.#older.add(link);
    this.#link = this.#open();
    const unanswered = [...this.#older].filter(({ isRetired }) => !isRetired);
    if (unanswered.length > mostOlder) unanswered[0]?.retire("it is silent");
  }

  /** That connection is broken. */
  giveUp(link: Link): void {
    this.replace(link);
    link.retire("its connection is broken");
  }

  /** An answer has come over that connection: the others are needed no longer. */
  answered(link: Link): void {
    if (link !== this.#link) {
      if (link.isRetired) return;
      this.#link.retire("another connection answers");
      this.#older.delete(link);
      this.#link = link;
    }
    this.retireOlder();
  }

  /** Nothing has come over the older connections for as long as somebody wanted to wait. */
  retireOlder(): void {
    for (const link of this.#older) link.retire("it is silent");
  }

  /** Looks whether it can be reached again, and tells when that is so and a new connection will be used. */
  watchOver(onBack: () => void): Disposable {
    const since = performance.now();
    return this.#probe.begin(() => {
      // One that was made meanwhile is as good.
      if ((this.#link.connectedAt ?? 0) > since) return;
      this.replace();
      onBack();
    });
  }

  endWatches(reason: string): void {
    for (const link of [...this.#older, this.#link]) link.endWatches(reason);
  }

  [Symbol.dispose](): void {
    for (const link of [...this.#older, this.#link]) link[Symbol.dispose]();
  }

  #open(): Link {
    const link: Link = new Link(this.endpoint, this.#tls(), {
      onRoundTrip: (ms) => {
        this.#roundTrips.push(ms);
        if (this.#roundTrips.length > samples) this.#roundTrips.shift();
      },
      onEnd: () => this.#older.delete(link),
    });
    return link;
  }
}
