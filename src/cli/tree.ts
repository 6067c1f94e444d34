/** The tree of all commands. */
import { Command } from "@cliffy/command";
import { group, type Program, showHelp } from "../commands/shared/command.ts";
import { completionsCommand } from "../commands/completions.ts";
import { connectionSettings } from "../settings/connection.ts";
import { agentCommand } from "../commands/agent.ts";
import { applyCommand } from "../commands/definitions/apply.ts";
import { diffCommand } from "../commands/definitions/diff.ts";
import { exportCommand } from "../commands/service/export.ts";
import { getCommand } from "../commands/service/get.ts";
import { listCommand } from "../commands/service/list.ts";
import { pauseCommand } from "../commands/service/pause.ts";
import { pickCommand } from "../commands/service/pick.ts";
import { registerCommand } from "../commands/service/register.ts";
import { resumeCommand } from "../commands/service/resume.ts";
import { runCommand } from "../commands/service/run.ts";
import { unregisterCommand } from "../commands/service/unregister.ts";
import { waitCommand } from "../commands/service/wait.ts";
import { watchCommand } from "../commands/service/watch.ts";
import { importCommand } from "../commands/import.ts";
import { serveCommand } from "../commands/serve.ts";
import { statusCommand } from "../commands/status.ts";
import { casSwitchCommand } from "../commands/switch/cas.ts";
import { getSwitchCommand } from "../commands/switch/get.ts";
import { listSwitchesCommand } from "../commands/switch/list.ts";
import { removeSwitchCommand } from "../commands/switch/remove.ts";
import { setSwitchCommand } from "../commands/switch/set.ts";
import { testSwitchCommand } from "../commands/switch/test.ts";
import { toggleSwitchCommand } from "../commands/switch/toggle.ts";
import { waitForSwitchCommand } from "../commands/switch/wait.ts";
import { watchSwitchesCommand } from "../commands/switch/watch.ts";
import { type AnyCommand, declare } from "../settings/settings.ts";
import { version, versionText } from "./version.ts";
import { bareWords } from "./argv.ts";

/**
 * The tree of all commands; or of those alone that a line has to do with, as it takes a while to build them all.
 */
export function rootCommand(program: Program, line?: readonly string[]): AnyCommand {
  const path = line === undefined || line.includes("completions") ? undefined : bareWords(line);
  const root = group(program, path, {
    description: "A service registry on top of etcd.",
    examples: [
      ["say where the registry is", "--etcd-endpoint localhost:2379 --tree-root /prod service list"],
      ["register an instance for 30 seconds", `${registerWeb} --ttl 30`],
    ],
    commands: {
      service: (path) => serviceCommands(program, path),
      switch: (path) => switchCommands(program, path),
      agent: () => agentCommand(program),
      apply: () => applyCommand(program),
      diff: () => diffCommand(program),
      serve: () => serveCommand(program, version),
      status: () => statusCommand(program),
      import: () => importCommand(program),
      help: helpCommand,
    },
  });
  root.command("completions", completionsCommand(program))
    .reset()
    .name("empusa")
    .version(version)
    .versionOption("-V, --version", "Show the version.", {
      standalone: true,
      action: () => program.system.stdout.write(versionText()),
    })
    .helpOption("-h, --help", "Show this help.", {
      standalone: true,
      global: true,
      action(this: AnyCommand): Promise<void> {
        return showHelp(program, this);
      },
    })
    .noExit();
  declare(root, connectionSettings, { global: true, title: "Connection options" });
  return root;
}

/** An example line that several commands show. */
const registerWeb = "service register --service-type web --service-name web-1 --service-location 10.0.0.7:80";

function serviceCommands(program: Program, path: readonly string[] | undefined): AnyCommand {
  return group(program, path, {
    description: "Register, unregister, pause and find services.",
    examples: [
      ["keep an instance registered while this runs", `${registerWeb} --ttl 30 --refresh-every 10`],
      ["list all instances", "service list"],
    ],
    commands: {
      run: () => runCommand(program),
      register: () => registerCommand(program),
      unregister: () => unregisterCommand(program),
      pause: () => pauseCommand(program),
      resume: () => resumeCommand(program),
      list: () => listCommand(program),
      get: () => getCommand(program),
      pick: () => pickCommand(program),
      wait: () => waitCommand(program),
      watch: () => watchCommand(program),
      export: () => exportCommand(program),
    },
  });
}

function switchCommands(program: Program, path: readonly string[] | undefined): AnyCommand {
  return group(program, path, {
    description: "Set and read switches: small shared values beside the services.",
    examples: [
      ["turn a switch on", "switch set maintenance yes"],
      ["use it in a script", "if empusa switch test maintenance; then exit; fi", "shell"],
    ],
    commands: {
      set: () => setSwitchCommand(program),
      cas: () => casSwitchCommand(program),
      get: () => getSwitchCommand(program),
      test: () => testSwitchCommand(program),
      toggle: () => toggleSwitchCommand(program),
      remove: () => removeSwitchCommand(program),
      list: () => listSwitchesCommand(program),
      watch: () => watchSwitchesCommand(program),
      wait: () => waitForSwitchCommand(program),
    },
  });
}

/** Listed for people who look for it; a line that begins with it is read as one that ends with --help. */
function helpCommand(): AnyCommand {
  return new Command().description("Show the help of a command.").usage("[command]").arguments(
    "[command...:string]",
  ).noGlobals();
}
