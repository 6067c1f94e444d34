/** Which empusa this is. */
import config from "../../deno.json" with { type: "json" };

export const version = config.version;

/** What `--version` prints: the version of empusa, where it was built what of, and the runtime's. */
export function versionText(): string {
  return `empusa ${version} (${build()}, Deno ${Deno.version.deno})\n`;
}

/** Put there by `scripts/build`. */
declare const EMPUSA_BUILD: string;

function build(): string {
  if (typeof EMPUSA_BUILD !== "undefined") return EMPUSA_BUILD;
  const commit = commitOfClone();
  return commit === undefined ? "from source" : `from source, commit ${commit.slice(0, 10)}`;
}

/** The commit that the clone is at in which this file lies, as Git has it in its files; undefined where that is not so. */
function commitOfClone(): string | undefined {
  const read = (path: string): string | undefined => {
    try {
      return Deno.readTextFileSync(new URL(`../.git/${path}`, import.meta.url)).trim();
    } catch {
      // It is no clone, or we may not read it.
      return undefined;
    }
  };
  const head = read("HEAD");
  const [, branch] = /^ref: (refs\/\S+)$/.exec(head ?? "") ?? [];
  if (branch === undefined) return /^[0-9a-f]{40,}$/.exec(head ?? "")?.[0];
  // One that was not written for long lies among others in one file.
  return read(branch) ??
    read("packed-refs")?.split("\n").find((line) => line.endsWith(` ${branch}`))?.split(" ")[0];
}
