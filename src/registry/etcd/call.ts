/** Calls etcd: through failover to the members, with a valid token and the credentials of now. */
import type { Endpoint } from "../endpoint.ts";
import type { Deadline } from "../store.ts";
import { AttemptFailure, type Progress } from "./attempt.ts";
import { callWithToken, concernsCredentials } from "./auth.ts";
import { type Channel, type Client, clockDeadline, type RpcOptions } from "./channel.ts";
import { type AccessSource, Credentials } from "./credentials.ts";
import { isPermissionDenied, toRegistryError } from "./errors.ts";
import { Failover } from "./failover.ts";
import { Member } from "./member.ts";
import { missingRight, type Right } from "./rights.ts";

/** One call to one member. */
export interface Call {
  readonly channel: Channel;
  readonly deadline: Deadline;
  readonly token: string | undefined;
  /** Whether another attempt may already have done the work. */
  readonly repeated: () => boolean;
  /** Must be called whenever a part of the answer arrives. */
  readonly onData: () => void;
}

/** A request to etcd, given the client and the options for it. */
export type Rpc<T> = (client: Client, options: RpcOptions, call: Call) => Promise<T>;

/** How a call to one member is made. */
interface AskOptions {
  readonly rights?: readonly Right[] | undefined;
  readonly repeated?: () => boolean;
  readonly progress?: Progress | undefined;
  /** Sends no token: some requests need none. */
  readonly anonymous?: boolean;
  /** The credentials were read again right before, so reading them once more is pointless. */
  readonly renewed?: boolean;
}

/** All members of a cluster, and how to reach them. */
export class Caller implements Disposable {
  readonly members: readonly Member[];
  readonly #failover: Failover<Member>;
  readonly #credentials: Credentials;

  /** Connects on the first call. Each endpoint has a client of its own: with several, etcd3 picks one at random. */
  constructor(endpoints: readonly Endpoint[], access: AccessSource) {
    this.#credentials = new Credentials(access);
    this.members = endpoints.map((endpoint) => new Member(endpoint, () => this.#credentials.access.tls));
    this.#failover = new Failover(
      this.members,
      (member, { channel }) => channel === undefined || member.suspect(channel as Channel),
    );
  }

  /** Milliseconds from a request to its answer at the preferred member, 0 if unknown. */
  get roundTrip(): number {
    return this.#failover.preferred.roundTrip;
  }

  /**
   * Sends a request to the cluster.
   * @param rights the permissions that the request needs: the message names the first one that etcd denies
   * @param isAmbiguous whether an answer may be the effect of another attempt
   */
  async call<T>(
    deadline: Deadline,
    rpc: Rpc<T>,
    rights?: readonly Right[],
    isAmbiguous?: (answer: T) => boolean,
  ): Promise<T> {
    const answer = await this.#failover.run(
      deadline,
      (member, repeated, progress) => this.ask(member, deadline, rpc, { rights, repeated, progress }),
      isAmbiguous,
    );
    // Watches move to the member that answers: another member may be cut off and not know it.
    for (const member of this.members) {
      if (member !== this.#failover.preferred) member.endWatches("another endpoint answers");
    }
    return answer;
  }

  /** Sends a request to one member, and repeats it if new credentials may help. */
  async ask<T>(member: Member, deadline: Deadline, rpc: Rpc<T>, options: AskOptions = {}): Promise<T> {
    if (this.#credentials.isDue) await this.#renewCredentials();
    const { channel } = member;
    if (options.progress !== undefined) options.progress.channel = channel;
    const { tls, login } = this.#credentials.access;
    try {
      return await this.#send(member, channel, deadline, { rpc, ...options });
    } catch (cause) {
      const { rights = [], renewed = false } = options;
      const failure = await toRegistryError(cause, {
        endpoint: member.endpoint,
        tls,
        username: login?.username,
        right: isPermissionDenied(cause)
          ? await missingRight(rights, (rpc) => this.ask(member, deadline, rpc).then(() => true, () => false))
          : undefined,
        isAbandoned: channel.isRetired,
      });
      if (failure instanceof AttemptFailure && failure.connectionLost) member.discard(channel);
      if (renewed || !concernsCredentials(failure) || !await this.#renewCredentials()) throw failure;
      return await this.ask(member, deadline, rpc, { ...options, renewed: true });
    }
  }

  async #send<T>(
    member: Member,
    channel: Channel,
    deadline: Deadline,
    { rpc, repeated = () => false, progress, anonymous = false }: AskOptions & { readonly rpc: Rpc<T> },
  ): Promise<T> {
    const { login } = this.#credentials.access;
    const onData = (): void => {
      if (progress !== undefined) progress.receivedAt = performance.now();
    };
    const send = (token?: string): Promise<T> => {
      const options = { ...channel.options(token, onData), deadline: clockDeadline(deadline) };
      return rpc(channel.client, options, { channel, deadline, token, repeated, onData });
    };
    const answer = await channel.use(
      onData,
      () =>
        login === undefined || anonymous ? send() : callWithToken(member, { channel, login, deadline }, send),
    );
    member.confirm(channel);
    return answer;
  }

  /** Reads the credentials again. Returns true if they have changed; then new channels use them. */
  async #renewCredentials(): Promise<boolean> {
    const renewal = await this.#credentials.renew();
    if (renewal === "tls") this.members.forEach((member) => member.replace());
    return renewal !== "nothing";
  }

  [Symbol.dispose](): void {
    for (const member of this.members) member[Symbol.dispose]();
  }
}
