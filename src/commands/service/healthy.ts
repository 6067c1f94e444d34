/** Telling of a service's health. */
import { type Check, healthOf, type HealthOptions } from "../../process/health.ts";
import type { Instance } from "../../registry/mod.ts";
import { type Announcer, label } from "./staying.ts";

/** Whether an instance is healthy, each time that this changes, which is told on the way. */
export async function* announced(
  checks: readonly Check[],
  options: HealthOptions,
  instance: Instance,
  announcer: Announcer,
): AsyncGenerator<boolean, void, void> {
  let hasBeen = false;
  for await (const health of healthOf(checks, options)) {
    if (!health.healthy) {
      const [level, what] = hasBeen
        ? ["warn", "is unhealthy"] as const
        : ["info", "is not healthy yet"] as const;
      announcer.tell(level, `${label(instance)} ${what}: ${health.why}`);
    } else if (checks.length > 0) announcer.tell("info", `${label(instance)} is healthy`);
    hasBeen ||= health.healthy;
    yield health.healthy;
  }
}
