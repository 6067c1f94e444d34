/** `service run` in a process: the command line, a server as its command, and what it leaves behind. */
import { Etcd, freePorts } from "./etcd.ts";
import { type Env, type Running, start } from "./program.ts";
import { projectFile } from "./project.ts";

export const key = "/foo/service/web/a";

/** `empusa service run` of web/a at h:1. */
export function run(options: string, command: readonly string[], env: Env): Running {
  const line = `service run --service-type web --service-name a --service-location h:1 ${options}`;
  return start([...line.trim().split(/\s+/), "--", ...command], env);
}

export const sh = (script: string): string[] => ["bash", "-c", script];

/** A server that is told how to behave, by words when it starts and by requests while it runs. */
export class Server {
  readonly address = `127.0.0.1:${freePorts(1)[0]}`;

  command(...words: string[]): string[] {
    const [, port = ""] = this.address.split(":");
    const file = projectFile("tests/support/fault_server.ts");
    return [
      Deno.execPath(),
      "run",
      "--quiet",
      "--no-config",
      "--no-lock",
      "--no-check",
      "-A",
      file,
      port,
      ...words,
    ];
  }

  /** Tells it what to do. */
  async tell(path: string): Promise<void> {
    await (await fetch(`http://${this.address}/${path}`, { method: "POST" })).text();
  }
}

export const isGone = async (pid: number): Promise<boolean> => {
  const status = await Deno.readTextFile(`/proc/${pid}/status`).catch(() => "State: X");
  return /^State:\s+[XZ]/m.test(status);
};

export async function isLeft(etcd: Etcd): Promise<string> {
  return await etcd.etcdctl("get", "--prefix", "/") + await etcd.etcdctl("lease", "list");
}
