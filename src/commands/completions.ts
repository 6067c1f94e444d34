/** The scripts that make shells complete our command lines. */
import { Command } from "@cliffy/command";
import { type Program, showHelp } from "./shared/command.ts";
import { shellScripts } from "./shared/shell_scripts.ts";
import { type AnyCommand, invalidValue } from "../settings/settings.ts";

/** The command `completions`, which needs no etcd. */
export function completionsCommand(program: Program): AnyCommand {
  const command: AnyCommand = new Command()
    .description("Print a completion script for a shell.")
    .usage("<command>")
    .noGlobals();
  command.action(() => showHelp(program, command));
  for (const [shell, script] of Object.entries(shellScripts)) {
    command.command(shell, scriptCommand(program, shell, script));
    command.reset();
  }
  return command;
}

function scriptCommand(program: Program, shell: string, script: (program: string) => string): AnyCommand {
  return new Command()
    .description(`Print the script for ${shell}. It asks empusa itself what there is to offer.`)
    .usage("[options]")
    .noGlobals()
    .option("-n, --name <command-name:string>", "What empusa is called in the shell.")
    .action(async ({ name = "empusa" }: { name?: string }) => {
      await program.system.stdout.write(script(parseCommandName(name)));
    });
}

/** The name stands in the script as it is, so it must mean nothing else to a shell. */
function parseCommandName(name: string): string {
  if (/^[A-Za-z0-9_][A-Za-z0-9_.-]*$/.test(name)) return name;
  throw invalidValue("--name", "be letters, digits, dots, dashes and underscores", name);
}
