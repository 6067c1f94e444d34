/** What endpoints report about themselves. An endpoint that withholds it is reachable all the same. */
import { EmpusaError, RefusedError, UnreachableError } from "../../errors.ts";
import type { Deadline, EndpointFacts, EndpointStatus } from "../store.ts";
import { alarmAnswer, statusAnswer } from "./answers.ts";
import { AttemptFailure, noAnswer, withDeadline } from "./attempt.ts";
import type { Caller } from "./call.ts";
import type { Client, RpcOptions } from "./channel.ts";
import type { Member } from "./member.ts";

/** What etcd answers to a user that may not read the status: since 3.6 that takes root. */
const withheld = /permission denied|user name is empty/;

/** What a learner answers to requests that need a vote. */
const fromLearner = /rpc not supported for learner/;

/** See `Store.statuses`. */
export function statuses(
  caller: Caller,
  deadline: Deadline,
  enough: Promise<unknown> = new Promise(() => {}),
): Promise<EndpointStatus[]> {
  return Promise.all(caller.members.map((member) => statusOf(caller, member, deadline, enough)));
}

async function statusOf(
  caller: Caller,
  member: Member,
  deadline: Deadline,
  enough: Promise<unknown>,
): Promise<EndpointStatus> {
  const { endpoint } = member;
  const ask = (anonymous: boolean): Promise<EndpointFacts> => {
    const facts = caller.ask(
      member,
      deadline,
      (client, options) => endpointFacts(client, options, !anonymous),
      { anonymous },
    );
    return withDeadline(Promise.race([facts, failWhen(enough)]), deadline.at, deadline.signal);
  };
  try {
    // Most etcds report it to everybody, and a user with a wrong password needs the status most.
    const facts = await ask(true).catch((error) => {
      if (!(error instanceof RefusedError)) throw error;
      return ask(false);
    });
    return { endpoint, facts };
  } catch (error) {
    deadline.signal?.throwIfAborted();
    if (error instanceof EmpusaError) return { endpoint, error };
    if (!(error instanceof AttemptFailure)) throw error;
    const { message, advice } = error;
    return { endpoint, error: new UnreachableError(message, { cause: error, advice: [advice] }) };
  }
}

/** Rejects once `enough` resolves, for an endpoint that has not answered by then. */
async function failWhen(enough: Promise<unknown>): Promise<never> {
  await enough;
  throw noAnswer();
}

/**
 * Asks one endpoint for its alarms and its status.
 * @param mayWithhold whether a refusal leaves the facts undefined, instead of being thrown
 */
async function endpointFacts(
  client: Client,
  options: RpcOptions,
  mayWithhold: boolean,
): Promise<EndpointFacts> {
  const accepted = mayWithhold ? new RegExp(`${withheld.source}|${fromLearner.source}`) : fromLearner;
  // One after the other, so that the latency of the second does not include the connection.
  const alarms = await unless(
    accepted,
    async () => alarmAnswer(await client.maintenance.alarm({ action: "Get" }, options)),
  );
  const startedAt = performance.now();
  const status = await unless(
    accepted,
    async () => statusAnswer(await client.maintenance.status(options)),
  );
  const latency = performance.now() - startedAt;
  const { member: itself, ...facts } = status ?? { member: undefined };
  return {
    ...facts,
    latency,
    alarms: status && alarms?.filter(({ member }) => member === itself).map(({ alarm }) => alarm),
  };
}

/** What `ask` resolves to, or undefined if it fails with a message that `accepted` matches. */
async function unless<T>(accepted: RegExp, ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof Error && accepted.test(error.message)) return undefined;
    throw error;
  }
}
