/** Asks an endpoint again and again, with pauses in which the connection is idle: `goaway_child.ts ENDPOINT TIMES`. */
import { EmpusaError } from "../../src/errors.ts";
import { openRegistry, parseEndpoints } from "../../src/registry/mod.ts";
import { pause } from "./pause.ts";

const [endpoint = "", times] = Deno.args;
const registry = await openRegistry({
  endpoints: parseEndpoints(endpoint, "http"),
  treeRoot: "/goaway",
  timeout: 5000,
});
for (let i = 0; i < Number(times); i++) {
  await registry.services.list().catch((error) => {
    if (!(error instanceof EmpusaError)) throw error;
  });
  await pause(15);
}
Deno.exit(0);
