/** How long it takes until so many services are registered. */
import { count } from "../../tests/support/gateway.ts";
import { pause } from "../../tests/support/pause.ts";

/**
 * Seconds until so many keys begin with a prefix.
 * @param patience seconds after which it gives up
 */
export async function secondsUntil(
  url: string,
  prefix: string,
  wanted: number,
  patience: number,
): Promise<number> {
  const began = performance.now();
  for (;;) {
    const found = await count(url, prefix);
    const took = (performance.now() - began) / 1000;
    if (found === wanted) return took;
    if (took > patience) throw new Error(`there are ${found} below ${prefix}, not ${wanted}`);
    await pause(20);
  }
}
