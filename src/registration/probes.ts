/** The ways in which a service can be looked at. */
import type { ChildEnvironment, System } from "../system/mod.ts";
import type { Check } from "./health.ts";
import { shellCommand } from "../system/hook.ts";
import { connect } from "./tcp.ts";

export { httpCheck } from "./http_check.ts";

/** Passes when a connection can be made. */
export function tcpCheck(host: string, port: number): Check {
  return {
    name: `tcp ${host.includes(":") ? `[${host}]` : host}:${port}`,
    look: async (signal) => (await connect(host, port, signal)).close(),
  };
}

/** Passes when a line of shell ends with 0. One that takes too long is killed, with all that it has started. */
export function execCheck(
  line: string,
  env: ChildEnvironment,
  system: Pick<System, "spawn">,
): Check {
  return {
    name: `exec ${beginning(line)}`,
    look: async (signal): Promise<void> => {
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

/** The first word of a line of shell, or the variable it sets first: what follows, and what is assigned, may be secret. */
function beginning(line: string): string {
  const whole = line.trim();
  const [shown = ""] = /^(?:\w+=|[\w./-]{1,40})/.exec(whole) ?? [];
  const [next = ""] = whole.slice(shown.length);
  return next === "" ? shown : `${shown}${next.trim() === "" ? " " : ""}…`;
}
