/** The kinds of health checks. */
import type { ChildEnvironment, System } from "../system/mod.ts";
import type { Check } from "./health.ts";
import { shellCommand } from "../system/hook.ts";
import { connect } from "./tcp.ts";

export { httpCheck } from "./http_check.ts";

/** Returns a check that passes if a TCP connection can be made. */
export function tcpCheck(host: string, port: number): Check {
  return {
    name: `tcp ${host.includes(":") ? `[${host}]` : host}:${port}`,
    run: async (signal) => (await connect(host, port, signal)).close(),
  };
}

/** Returns a check that passes if a shell command exits with 0. On timeout, its whole process group is killed. */
export function execCheck(
  line: string,
  env: ChildEnvironment,
  system: Pick<System, "spawn">,
): Check {
  return {
    name: `exec ${beginning(line)}`,
    run: async (signal): Promise<void> => {
      const child = system.spawn(shellCommand(line), {
        env,
        input: { text: "" },
        output: "kept",
        ownGroup: true,
      });
      const kill = (): void => child.killGroup("SIGKILL");
      signal.addEventListener("abort", kill);
      try {
        const code = await child.ended;
        if (code === 0) return;
        const said = child.said().trim().split("\n").at(-1) ?? "";
        throw new Error(`exit code ${code}${said === "" ? "" : `: ${said}`}`);
      } finally {
        signal.removeEventListener("abort", kill);
      }
    },
  };
}

/** Returns the first word of a shell command, or the variable that it sets first: what follows may be secret. */
function beginning(line: string): string {
  const command = line.trim();
  const [shown = ""] = /^(?:\w+=|[\w./-]{1,40})/.exec(command) ?? [];
  const [next = ""] = command.slice(shown.length);
  return next === "" ? shown : `${shown}${next.trim() === "" ? " " : ""}…`;
}
