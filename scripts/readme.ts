/** Writes the tables of options in docs/reference.md anew from the command tree: `scripts/readme`. */
import { rootCommand } from "../src/cli/tree.ts";
import type { AnyCommand } from "../src/settings/settings.ts";
import { Log } from "../src/system/log.ts";
import { system } from "../src/system/mod.ts";

/** The page with its tables as they should be: each lies between `<!-- options COMMAND -->` and `<!-- end -->`. */
export function withTables(page: string): string {
  const real = system();
  const root = rootCommand({ system: real, log: new Log(real.stderr), exitCode: 0, command: [] });
  // Help and version come with Cliffy's defaults, which it adds when it first shows help.
  root.getHelp();
  return page.replace(
    /(<!-- options (.+?) -->\n)[^]*?(<!-- end -->)/g,
    (_, begin: string, path: string, end: string) => `${begin}\n${table(find(root, path))}\n${end}`,
  );
}

function find(root: AnyCommand, path: string): AnyCommand {
  let command = root;
  for (const name of path.split(" ").slice(1)) {
    const child = command.getCommand(name, true);
    if (child === undefined) {
      throw new Error(`docs/reference.md asks for the options of "${path}", which is no command`);
    }
    command = child;
  }
  return command;
}

function table(command: AnyCommand): string {
  const rows = command.getBaseOptions(true).map(({ flags, typeDefinition = "", description }) => {
    const option = [flags.join(", "), typeDefinition.replace(/:[^>\]]*([>\]])/, "$1")].join(" ").trim();
    return `| \`${option}\` | ${description.replaceAll("|", "\\|").replaceAll(/EMPUSA_\w+/g, "`$&`")} |`;
  });
  return ["| option | meaning |", "|---|---|", ...rows, ""].join("\n");
}

if (import.meta.main) {
  const path = new URL("../docs/reference.md", import.meta.url);
  await Deno.writeTextFile(path, withTables(await Deno.readTextFile(path)));
}
