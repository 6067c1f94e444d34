/** Turns what etcd, grpc-js and the network report into errors of empusa: what happened, and whether to retry. */
import { EmpusaError, RefusedError } from "../../errors.ts";
import { showEndpoint } from "../endpoint.ts";
import { AttemptFailure } from "./attempt.ts";
import { type AttemptContext, connectionFailure, oneLine } from "./connection_errors.ts";
import { endOfPrefix } from "./prefix.ts";
import type { Right } from "./rights.ts";

/** The status code and the message of an etcd3 error, such as "14 UNAVAILABLE: …". */
function statusOf(cause: Error): { readonly code: number | undefined; readonly words: string } {
  // grpc-js begins with the number and name of the status; etcd3 may put the name of its own class before it.
  const [, code, words] = /(?:^|: |Lease )(\d+) [A-Z_]+: (.*)$/s.exec(cause.message) ?? [];
  return { code: code === undefined ? undefined : Number(code), words: (words ?? cause.message).trim() };
}

/**
 * Whether etcd rejects the token of the login, or misses a token that it did not ask for before. A new login may help.
 * The messages are those of etcd's `rpctypes/error.go`.
 */
export function isInvalidToken(cause: unknown): boolean {
  return cause instanceof Error &&
    /invalid auth token|revision of auth store is old|user name is empty/.test(cause.message);
}

/** Whether etcd reports that authentication is off, so that no login is possible. */
export function isAuthenticationOff(cause: unknown): boolean {
  return cause instanceof Error && cause.message.includes("authentication is not enabled");
}

/** Whether etcd knows the user and denies the request. */
export function isPermissionDenied(cause: unknown): boolean {
  return cause instanceof Error && cause.message.includes("permission denied");
}

/** Whether an error of empusa was caused by an etcd error with these words. */
export function isCausedBy(error: unknown, words: string): boolean {
  return error instanceof EmpusaError && error.cause instanceof Error && error.cause.message.includes(words);
}

/**
 * The error to throw for what an RPC threw: an `AttemptFailure` if another attempt makes sense. If the error hides its
 * cause, this function connects to the endpoint to find it, for as long as the attempt lasts.
 */
export async function toRegistryError(
  cause: unknown,
  context: AttemptContext & { readonly right: Right | undefined },
): Promise<Error> {
  if (cause instanceof AttemptFailure) return cause;
  const at = `etcd at ${showEndpoint(context.endpoint)}`;
  if (!(cause instanceof Error)) return new EmpusaError(`${at} failed`, { cause });
  const { code, words } = statusOf(cause);
  return refusal(words, cause, { at, ...context }) ?? limitation(words, cause, at) ??
    await connectionFailure(code, words, cause, context) ??
    new EmpusaError(
      `${at} failed: ` +
        (/^(Type|Range|Reference)Error$/.test(cause.name) ? "its answer is invalid" : oneLine(words)),
      { cause },
    );
}

function refusal(
  words: string,
  cause: Error,
  { at, username, right }: {
    readonly at: string;
    readonly username: string | undefined;
    readonly right: Right | undefined;
  },
): Error | undefined {
  const credentials = { cause, advice: ["credentials"] } as const;
  if (words.includes("invalid user ID or password") || words.includes("invalid auth management")) {
    return new RefusedError(`${at} refused: user "${username}" or the password is wrong`, credentials);
  }
  if (words.includes("user name is empty") || words.includes("user name not found")) {
    return new RefusedError(`${at} refused: it requires a user name and a password`, credentials);
  }
  if (isInvalidToken(cause)) {
    return new AttemptFailure("it rejects its own token", { cause, advice: "health" });
  }
  if (words.includes("permission denied")) {
    const user = username === undefined ? "an anonymous client" : `user "${username}"`;
    if (right === undefined) return new RefusedError(`${at} refused: ${user} may not do this`, { cause });
    const { verb, key, end } = right;
    const isPrefix = end !== undefined && endOfPrefix(key).equals(end);
    const keys = end === undefined
      ? key
      : isPrefix
      ? `keys below ${key}`
      : `keys from ${key} to ${new TextDecoder().decode(end)}`;
    const granted = isPrefix
      ? `--prefix=true ${verb} ${key}`
      : `${verb} ${key}${end === undefined ? "" : ` ${new TextDecoder().decode(end)}`}`;
    return new RefusedError(
      `${at} refused: ${user} may not ${verb.replace("dw", "d or w")} ${keys}; ` +
        `grant the permission with: etcdctl role grant-permission ROLE ${granted}`,
      { cause },
    );
  }
}

function limitation(words: string, cause: Error, at: string): Error | undefined {
  if (words.includes("database space exceeded")) {
    return new EmpusaError(
      `${at} cannot write: its database is full (NOSPACE alarm); ` +
        "compact and defragment it, then: etcdctl alarm disarm",
      { cause },
    );
  }
  if (words.includes("request is too large") || words.includes("received message larger than max")) {
    return new EmpusaError(
      `${at} cannot write: the request is too large; check etcd's --max-request-bytes`,
      { cause },
    );
  }
}
