/** The shells that empusa's completion is for, each at a terminal, with completion switched on. */
import { inherited, program } from "./program.ts";
import { projectFile } from "./project.ts";
import { Terminal } from "./terminal.ts";

export const shells = ["bash", "zsh", "fish"] as const;

export type Shell = typeof shells[number];

/** How each is started without anybody's settings. */
const lines: Readonly<Record<Shell, string>> = {
  bash: "bash --norc --noprofile -i",
  zsh: "$(command -v zsh || command -v zsh-static) -f -i",
  fish: "fish --no-config -i",
};

/** What is typed first: a prompt that nothing else looks like, and no colours and suggestions that would come between. */
const beginnings: Readonly<Record<Shell, string>> = {
  bash: "PS1='%> '; bind 'set bell-style none'; source <(empusa completions bash)",
  zsh:
    "PS1='%%> '; unsetopt beep prompt_sp; autoload -Uz compinit; compinit -u -D; source <(empusa completions zsh)",
  fish:
    "set -g fish_autosuggestion_enabled 0; function fish_prompt; echo '%> '; end; empusa completions fish | source",
};

/**
 * What `empusa` is there: completions come from the real program, or are what stands in the file `candidates`; what else it is
 * called with is written to the file `args`, each argument with a NUL behind it.
 */
const wrapper = `#!/usr/bin/env bash
if [[ $1 == completions && $2 == candidates && -e $FOLDER/candidates ]]; then
  printf 'words\\n\\n'
  cat "$FOLDER/candidates"
elif [[ $1 == completions ]]; then
  exec "$PROGRAM" "$@"
else
  printf '%s\\0' "$@" >"$FOLDER/args"
  echo "finished"
fi
`;

/** Whether the shell is on this machine, installed or unpacked by scripts/setup. */
export async function has(shell: Shell): Promise<boolean> {
  const args = ["-c", `command -v ${shell} || command -v ${shell}-static`];
  return (await new Deno.Command("sh", { args }).output()).success;
}

/** A shell in a folder of its own, in which whatever is run by mistake leaves a file. */
export class CompletingShell implements AsyncDisposable {
  readonly name: Shell;
  readonly #folder: string;
  readonly terminal: Terminal;

  private constructor(name: Shell, folder: string, terminal: Terminal) {
    this.name = name;
    this.#folder = folder;
    this.terminal = terminal;
  }

  static async start(shell: Shell, env: Readonly<Record<string, string>>): Promise<CompletingShell> {
    const folder = await Deno.makeTempDir({ prefix: "empusa-test-shell-" });
    for (const name of ["bin", "work", "home"]) await Deno.mkdir(`${folder}/${name}`);
    await Deno.writeTextFile(`${folder}/bin/empusa`, wrapper, { mode: 0o755 });
    const functions = await functionFolders();
    const terminal = new Terminal(lines[shell], {
      cwd: `${folder}/work`,
      env: {
        // The real program finds its packages by HOME or DENO_DIR; a shell finds nobody's settings, as it was told not to look.
        ...inherited(),
        ...functions === "" ? {} : { FPATH: functions },
        PATH: `${folder}/bin:${Deno.env.get("PATH")}`,
        XDG_CONFIG_HOME: `${folder}/home`,
        XDG_DATA_HOME: `${folder}/home`,
        TERM: "xterm",
        LANG: "C.UTF-8",
        FOLDER: folder,
        PROGRAM: program,
        ...env,
      },
    });
    const started = new CompletingShell(shell, folder, terminal);
    await terminal.type(`${beginnings[shell]}; echo be''gun\r`);
    await terminal.until(/begun[^]*%> /);
    await terminal.quiet(100);
    return started;
  }

  /** From now on these are the candidates, whatever is typed. */
  async offer(candidates: readonly string[]): Promise<void> {
    await Deno.writeTextFile(`${this.#folder}/candidates`, candidates.map((line) => `${line}\n`).join(""));
  }

  /** Types a line and asks what there is until that is shown, and takes the line back. */
  async list(line: string, expected: string): Promise<void> {
    const before = this.terminal.shown.length;
    await this.terminal.type(line);
    // The first TAB may do no more than to complete what all candidates have in common.
    for (let tabs = 0; tabs < 10 && !this.terminal.shown.slice(before).includes(expected); tabs++) {
      await this.terminal.type("\t");
      await this.terminal.quiet(500);
    }
    await this.terminal.until(expected, before);
    // Ctrl-U
    await this.terminal.type("\x15");
    await this.terminal.quiet(50);
  }

  /** Types a line that is completed, sends it off, and resolves to the arguments that empusa was called with. */
  async complete(line: string): Promise<string[]> {
    const before = this.terminal.shown.length;
    await this.terminal.type(`${line}\t`);
    // What completes it must not take what follows for its own.
    await this.terminal.quiet(50);
    await this.terminal.type("\r");
    await this.terminal.until(/finished[^]*%> /, before);
    await this.terminal.quiet(30);
    return (await Deno.readTextFile(`${this.#folder}/args`)).split("\0").slice(0, -1);
  }

  /** The files that something has left in its working directory. */
  left(): string[] {
    return [...Deno.readDirSync(`${this.#folder}/work`)].map(({ name }) => name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.terminal[Symbol.asyncDispose]();
    await Deno.remove(this.#folder, { recursive: true });
  }
}

/** The folders of functions of a zsh that was unpacked, not installed, as zsh takes them; empty where there is none. */
async function functionFolders(): Promise<string> {
  const folders: string[] = [];
  const collect = async (folder: string): Promise<void> => {
    folders.push(folder);
    for await (const entry of Deno.readDir(folder)) {
      if (entry.isDirectory) await collect(`${folder}/${entry.name}`);
    }
  };
  await collect(projectFile(".deps/shells/usr/share/zsh/functions")).catch(() => folders.length = 0);
  return folders.join(":");
}
