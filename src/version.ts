/** Which empusa this is. */
import config from "../deno.json" with { type: "json" };

export const version = config.version;

/** What `--version` prints: the version of empusa, where it was built what of, and the runtime's. */
export function versionText(): string {
  return `empusa ${version} (${build()}, Deno ${Deno.version.deno})\n`;
}

/** Put there by `scripts/build`. */
declare const EMPUSA_BUILD: string;

function build(): string {
  return typeof EMPUSA_BUILD === "undefined" ? "from source" : EMPUSA_BUILD;
}
