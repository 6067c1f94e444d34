/** Writes docs/definitions.schema.json, by which editors know definitions: `deno task docs`. */
import { jsonSchema } from "../src/definitions/rules.ts";

const path = new URL("../docs/definitions.schema.json", import.meta.url);
await Deno.writeTextFile(path, `${JSON.stringify(jsonSchema(), null, 2)}\n`);
