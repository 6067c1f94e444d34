/** A systemd of the test's own, as process 1 of its own namespaces, on an overlay of this machine's files. */
import { missingPrograms } from "./lacking.ts";
import { until } from "./pause.ts";
import { projectFile } from "./project.ts";

const manager = "/lib/systemd/systemd";

/**
 * Runs as `bash -c SCRIPT FOLDER PROJECT COMMAND…`, in a mount namespace of its own: makes the root and a control group,
 * and then the command takes its place as process 1 of the other namespaces.
 */
const enter = `set -e
  folder=$0 project=$1; shift
  mount -t tmpfs tmpfs "$folder"
  mkdir "$folder"/{groups,upper,work,root}
  mount -t cgroup2 cgroup2 "$folder/groups"
  mkdir "$folder/groups/\${folder##*/}"
  echo $$ >"$folder/groups/\${folder##*/}/cgroup.procs"
  root=$folder/root
  mount -t overlay overlay -o "lowerdir=/,upperdir=$folder/upper,workdir=$folder/work" "$root"
  mkdir -p "$root$project"
  mount --rbind "$project" "$root$project"
  mount --rbind /dev "$root/dev"
  mount -t tmpfs tmpfs "$root/run"
  rm -rf "$root"/etc/systemd/system/*
  printf "[Unit]\\nDescription=Test\\n" >"$root/etc/systemd/system/empusa-test.target"
  exec unshare --cgroup --pid --uts --ipc --fork --kill-child bash -c 'set -e
    mount -t proc proc "$0/proc"
    mount -t sysfs -o ro sysfs "$0/sys"
    mount -t cgroup2 cgroup2 "$0/sys/fs/cgroup"
    exec chroot "$0" env -i container=empusa-test PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"' "$root" "$@"`;

/** Runs as `bash -c SCRIPT NAME`: removes the control group. */
const removeGroup = `mount -t cgroup2 cgroup2 /mnt
  find "/mnt/$0" -depth -type d -exec rmdir {} +`;

/** What keeps it from running here, or undefined. */
export async function missingSystemd(): Promise<string | undefined> {
  if (Deno.uid() !== 0) return "no root, for systemd";
  if (missingPrograms(manager, "systemctl") !== undefined) return "no systemd";
  const folder = await Deno.makeTempDir({ prefix: "empusa-test-systemd-" });
  const { success } = await run("unshare", "--mount", "bash", "-c", enter, folder, projectFile(""), "true");
  await cleanUp(folder);
  return success ? undefined : "no namespaces for systemd";
}

async function cleanUp(folder: string): Promise<void> {
  await run("unshare", "--mount", "bash", "-c", removeGroup, folder.replace(/.*\//, ""));
  await Deno.remove(folder, { recursive: true });
}

async function run(
  program: string,
  ...args: readonly string[]
): Promise<{ success: boolean; stdout: string }> {
  const { success, stdout } = await new Deno.Command(program, { args: [...args], stderr: "null" }).output();
  return { success, stdout: new TextDecoder().decode(stdout) };
}

export class Systemd implements AsyncDisposable {
  readonly #folder: string;
  readonly #outer: Deno.ChildProcess;
  #first = 0;

  private constructor(folder: string) {
    this.#folder = folder;
    const args = [
      "--mount",
      "bash",
      "-c",
      enter,
      folder,
      projectFile(""),
      manager,
      "--unit=empusa-test.target",
    ];
    this.#outer = new Deno.Command("unshare", {
      args: [...args, "--log-target=null", "--show-status=no"],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
  }

  /** Starts one, and resolves when it takes orders. */
  static async start(): Promise<Systemd> {
    const systemd = new Systemd(await Deno.makeTempDir({ prefix: "empusa-test-systemd-" }));
    const { pid } = systemd.#outer;
    await until("systemd has started", async () => {
      const children = await Deno.readTextFile(`/proc/${pid}/task/${pid}/children`).catch(() => "");
      systemd.#first = Number(children);
      return systemd.#first !== 0 && /^(running|degraded)/.test(await systemd.systemctl("is-system-running"));
    });
    return systemd;
  }

  /** Puts a unit there, and has systemd read it. */
  async addUnit(name: string, text: string): Promise<void> {
    await this.write(`/etc/systemd/system/${name}`, text);
    await this.systemctl("daemon-reload");
  }

  /** Writes an executable file in its root, which is gone when it ends. */
  async write(path: string, text: string): Promise<void> {
    const child = new Deno.Command("nsenter", {
      args: [...this.#inside, "bash", "-c", 'mkdir -p "${0%/*}" && cat >"$0" && chmod 755 "$0"', path],
      stdin: "piped",
    }).spawn();
    await new Blob([text]).stream().pipeTo(child.stdin);
    await child.status;
  }

  /** What `systemctl ARGS` prints. */
  async systemctl(...args: readonly string[]): Promise<string> {
    return (await run("nsenter", ...this.#inside, "systemctl", ...args)).stdout.trim();
  }

  /** What a file there holds. */
  async read(path: string): Promise<string> {
    return (await run("nsenter", ...this.#inside, "cat", path)).stdout;
  }

  get #inside(): string[] {
    return [`--target=${this.#first}`, "--mount", "--pid", "--root", "--wd"];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // With it everything in its namespaces ends.
    if (this.#first !== 0) Deno.kill(this.#first, "SIGKILL");
    else this.#outer.kill("SIGKILL");
    await this.#outer.status;
    await cleanUp(this.#folder);
  }
}
