/** The ways in which a service can be looked at. */
import http from "node:http";
import https from "node:https";
import net from "node:net";
import type { ChildEnvironment, System } from "../system.ts";
import type { Check } from "./health.ts";
import { shellCommand } from "./hook.ts";

/** Passes when a connection can be made. */
export function tcpCheck(host: string, port: number): Check {
  return {
    name: `tcp ${host.includes(":") ? `[${host}]` : host}:${port}`,
    look: (signal) =>
      new Promise((resolve, reject) => {
        const socket = net.connect({ host, port });
        signal.addEventListener("abort", () => socket.destroy());
        socket.on("error", (error) => reject(new Error(reason(error))));
        socket.on("connect", () => {
          socket.destroy();
          resolve();
        });
      }),
  };
}

/**
 * Passes when the answer has a status of 2xx; what is behind a redirection is not looked at. It goes there directly, by
 * no proxy, over a new connection each time.
 */
export function httpCheck(url: URL): Check {
  const { request } = url.protocol === "https:" ? https : http;
  const shown = new URL(url);
  shown.username = shown.password = "";
  return {
    name: `http ${shown}`,
    look: (signal) =>
      new Promise((resolve, reject) => {
        const asked = request(url, {
          agent: false,
          headers: { "user-agent": "empusa", connection: "close" },
        });
        signal.addEventListener("abort", () => asked.destroy());
        asked.on("error", (error) => reject(new Error(reason(error))));
        asked.on("response", ({ statusCode: status = 0 }) => {
          if (status >= 200 && status < 300) resolve();
          else reject(new Error(`answered ${status}`));
          asked.destroy();
        });
        asked.end();
      }),
  };
}

/** Passes when a line of shell ends with 0. One that takes too long is killed, with all that it has started. */
export function execCheck(
  line: string,
  env: ChildEnvironment,
  system: Pick<System, "spawn">,
): Check {
  return {
    name: `exec ${line.trim().replace(/\s+/g, " ")}`,
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

/** Why a connection failed, without what the name of the check tells already. */
function reason(error: Error & { code?: string; errors?: readonly Error[] }): string {
  const { code } = error.errors?.[0] as typeof error ?? error;
  return (code !== undefined ? reasons[code] : undefined) ?? error.message;
}

const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection reset",
  EHOSTUNREACH: "no route to the host",
  ENETUNREACH: "no route to the network",
  ENOTFOUND: "no such host",
  EAI_AGAIN: "its name cannot be looked up now",
};
