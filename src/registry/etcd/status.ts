/** What an endpoint tells of itself. What it keeps to itself is no failure: it is there. */
import { alarmAnswer, statusAnswer } from "./answers.ts";
import type { Client, RpcOptions } from "./link.ts";
import type { EndpointFacts } from "../store.ts";

/** What it says who wants to know who asks, or has nothing to say to them: since etcd 3.6 that takes root. */
const secret = /permission denied|user name is empty/;

/** What a learner says to whatever needs a vote. */
const learner = /rpc not supported for learner/;

/**
 * Asks one endpoint for its alarms and its status.
 * @param discreet whether it may keep them to itself, instead of that being thrown
 */
export async function endpointFacts(
  client: Client,
  options: RpcOptions,
  discreet: boolean,
): Promise<EndpointFacts> {
  const told = discreet ? new RegExp(`${secret.source}|${learner.source}`) : learner;
  // One after the other, so that the second finds the connection made.
  const alarms = await unless(
    told,
    async () => alarmAnswer(await client.maintenance.alarm({ action: "Get" }, options)),
  );
  const begun = performance.now();
  const status = await unless(told, async () => statusAnswer(await client.maintenance.status(options)));
  const latency = performance.now() - begun;
  const { member: itself, ...facts } = status ?? { member: undefined };
  return {
    ...facts,
    latency,
    alarms: status && alarms?.filter(({ member }) => member === itself).map(({ alarm }) => alarm),
  };
}

/** What comes of it, or undefined where it fails with such words. */
async function unless<T>(words: RegExp, asked: () => Promise<T>): Promise<T | undefined> {
  try {
    return await asked();
  } catch (error) {
    if (error instanceof Error && words.test(error.message)) return undefined;
    throw error;
  }
}
