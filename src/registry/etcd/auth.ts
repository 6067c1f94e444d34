/** Logs in to etcd: one token for each member, shared by all calls that need it. */
import { EmpusaError } from "../../errors.ts";
import type { Deadline } from "../store.ts";
import { tokenAnswer } from "./answers.ts";
import { AttemptFailure } from "./attempt.ts";
import { type Channel, clockDeadline } from "./channel.ts";
import type { Login } from "./credentials.ts";
import { isAuthenticationOff, isInvalidToken } from "./errors.ts";
import type { Member } from "./member.ts";
import { WatchCanceled } from "./watch_stream.ts";

/** How to log in, and until when. */
interface LoginRequest {
  readonly channel: Channel;
  readonly login: Login;
  readonly deadline: Deadline;
}

/** Makes a call with the member's token; if etcd rejects the token, logs in again and repeats the call once. */
export async function callWithToken<T>(
  member: Member,
  request: LoginRequest,
  call: (token: string | undefined) => Promise<T>,
): Promise<T> {
  const token = tokenOf(member, request);
  try {
    return await call(await token);
  } catch (error) {
    if (!isInvalidToken(error) && !(error instanceof WatchCanceled)) throw error;
    // Of many calls that find the token invalid at the same time, only the first one discards it.
    if (member.token === token) member.token = undefined;
    return await call(await tokenOf(member, request));
  }
}

/** The member's token, after a login if there is none. Undefined if authentication is off. */
function tokenOf(member: Member, request: LoginRequest): Promise<string | undefined> {
  if (member.token === undefined) {
    const token = logIn(request);
    member.token = token;
    token.catch(() => {
      if (member.token === token) member.token = undefined;
    });
  }
  return member.token;
}

async function logIn({ channel, login, deadline }: LoginRequest): Promise<string | undefined> {
  const { username, password } = login;
  try {
    const options = { ...channel.options(undefined), deadline: clockDeadline(deadline) };
    return tokenAnswer(await channel.client.auth.authenticate({ name: username, password }, options));
  } catch (error) {
    if (isAuthenticationOff(error)) return undefined;
    throw error;
  }
}

/** Whether other certificates, or another password, may cure a failure. */
export function concernsCredentials(failure: Error): boolean {
  const advice = failure instanceof AttemptFailure
    ? [failure.advice]
    : failure instanceof EmpusaError
    ? failure.advice
    : [];
  return advice.some((item) =>
    ["ca", "server-certificate", "client-certificate", "credentials"].includes(item)
  );
}
