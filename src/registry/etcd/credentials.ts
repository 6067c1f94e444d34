/** The credentials for etcd. Their files may change while empusa runs. */
import type { Tls } from "./tls.ts";

/** The user of etcd. */
export interface Login {
  readonly username: string;
  readonly password: string;
}

/** How to connect to the endpoints. */
export interface Access {
  /** For https endpoints. */
  readonly tls?: Tls;
  readonly login?: Login;
}

/** The credentials at start, and how to read them again. */
export interface AccessSource extends Access {
  /** Reads them again. Resolves to undefined if they cannot be used; never rejects. */
  readonly renew?: () => Promise<Access | undefined>;
}

/** Milliseconds after which empusa reads the credentials again, even if etcd accepts them. */
const refreshInterval = 5000;

/** What has changed since the last read. */
export type Renewal = "nothing" | "login" | "tls";

export class Credentials {
  #access: Access;
  readonly #renew: AccessSource["renew"];
  #renewing: Promise<Renewal> | undefined;
  #readAt = performance.now();

  constructor({ renew, ...access }: AccessSource) {
    this.#access = access;
    this.#renew = renew;
  }

  get access(): Access {
    return this.#access;
  }

  /** Whether to read them again, although etcd has rejected nothing. */
  get isDue(): boolean {
    return this.#renew !== undefined && performance.now() - this.#readAt >= refreshInterval;
  }

  /** Reads them again, once for all callers at the same time. */
  renew(): Promise<Renewal> {
    return this.#renewing ??= this.#read().finally(() => this.#renewing = undefined);
  }

  async #read(): Promise<Renewal> {
    const next = await this.#renew?.();
    this.#readAt = performance.now();
    if (next === undefined) return "nothing";
    const before = this.#access;
    this.#access = next;
    if (!isSameTls(before.tls, next.tls)) return "tls";
    return before.login?.password === next.login?.password ? "nothing" : "login";
  }
}

function isSameTls(one: Tls | undefined, other: Tls | undefined): boolean {
  const files = [
    [one?.ca, other?.ca],
    [one?.client?.certificate, other?.client?.certificate],
    [one?.client?.key, other?.client?.key],
  ] as const;
  return files.every(([one, other]) => one === other || (other !== undefined && one?.equals(other)));
}
