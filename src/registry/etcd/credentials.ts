/** Who we are to etcd and whom we trust, which may change while we run. */
import type { Tls } from "./tls.ts";

/** Who we are to etcd. */
export interface Login {
  readonly username: string;
  readonly password: string;
}

/** How to talk to the endpoints. */
export interface Access {
  /** For endpoints that speak https. */
  readonly tls?: Tls;
  readonly login?: Login;
}

/** Where that comes from, in the beginning and later. */
export interface AccessSource extends Access {
  /** Reads it anew: what it is now, or undefined where that cannot be used. Must not reject. */
  readonly renew?: () => Promise<Access | undefined>;
}

/** How often it is looked whether anything has changed while all is well, in milliseconds. */
const every = 5000;

/** What has changed. */
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

  /** Whether it is time to look, though nobody was refused. */
  get isDue(): boolean {
    return this.#renew !== undefined && performance.now() - this.#readAt >= every;
  }

  /** Reads them again, for all who ask at the same time. */
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
