/** What the daemon says of a container, as far as it matters here. Checked once: it may be another program. */
import { isObject } from "../../../system/json.ts";

/** A port of the host that leads to one of the container's. */
export interface Binding {
  /** Empty, or the address that it is bound to. */
  readonly ip: string;
  readonly port: number;
}

/** The address of a container in one network; empty texts where it has none. */
export interface Attachment {
  readonly name: string;
  readonly id: string;
  readonly ipv4: string;
  readonly ipv6: string;
}

export interface Health {
  readonly status: "starting" | "healthy" | "unhealthy";
  /** What the last check printed. */
  readonly output: string;
}

export interface Container {
  readonly id: string;
  readonly name: string;
  /** As `docker run` named it. */
  readonly image: string;
  readonly created: string;
  /** When its process started: another text for each run. */
  readonly startedAt: string;
  readonly isRunning: boolean;
  readonly isPaused: boolean;
  /** The signal that `docker stop` sends; empty for SIGTERM. */
  readonly stopSignal: string;
  /** Undefined without a HEALTHCHECK. */
  readonly health: Health | undefined;
  readonly env: readonly string[];
  readonly labels: ReadonlyMap<string, string>;
  /** The ports that its image or `--expose` names: `80/tcp`. */
  readonly exposed: readonly string[];
  readonly published: ReadonlyMap<string, readonly Binding[]>;
  /** `bridge`, `host`, `container:ID`, or the name or ID of a network. */
  readonly networkMode: string;
  readonly networks: readonly Attachment[];
}

/** A name that Docker gives: what is none is replaced by the ID. */
const containerName = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}$/;

/**
 * Reads the answer to an inspection.
 * @throws {Error} where it is not one of a container; the message is the reason alone
 */
export function readContainer(answer: unknown): Container {
  const { Id: id, Name: name, Created: created, State, Config, HostConfig, NetworkSettings } = fields(answer);
  if (typeof id !== "string" || !isId(id)) throw new Error("the answer names no container");
  const state = fields(State);
  const config = fields(Config);
  const network = fields(NetworkSettings);
  const shownName = text(name).replace(/^\//, "");
  return {
    id,
    name: containerName.test(shownName) ? shownName : id.slice(0, 12),
    image: text(config["Image"]),
    created: text(created),
    startedAt: text(state["StartedAt"]),
    isRunning: state["Running"] === true && state["Restarting"] !== true && state["Dead"] !== true,
    isPaused: state["Paused"] === true,
    stopSignal: text(config["StopSignal"]),
    health: healthOf(state["Health"]),
    env: list(config["Env"]).filter((one) => typeof one === "string"),
    labels: new Map(
      Object.entries(fields(config["Labels"])).filter((pair): pair is [string, string] =>
        typeof pair[1] === "string"
      ),
    ),
    exposed: Object.keys(fields(config["ExposedPorts"])),
    published: new Map(Object.entries(fields(network["Ports"])).map(([key, all]) => [key, bindings(all)])),
    networkMode: text(fields(HostConfig)["NetworkMode"]),
    networks: Object.entries(fields(network["Networks"])).map(([name, about]) => {
      const { NetworkID, IPAddress, GlobalIPv6Address } = fields(about);
      return { name, id: text(NetworkID), ipv4: text(IPAddress), ipv6: text(GlobalIPv6Address) };
    }),
  };
}

/** Whether a text is the ID of a container: it becomes part of a path. */
export function isId(text: string): boolean {
  return /^[0-9a-f]{12,64}$/.test(text);
}

function healthOf(value: unknown): Health | undefined {
  const { Status: status, Log } = fields(value);
  if (status !== "starting" && status !== "healthy" && status !== "unhealthy") return undefined;
  return { status, output: text(fields(list(Log).at(-1))["Output"]) };
}

function bindings(value: unknown): Binding[] {
  return list(value).flatMap((one) => {
    const { HostIp, HostPort } = fields(one);
    const port = /^\d{1,5}$/.test(text(HostPort)) ? Number(HostPort) : 0;
    return port >= 1 && port <= 65_535 ? [{ ip: text(HostIp), port }] : [];
  });
}

/** An entry of the daemon's list of running containers: enough to see that something has changed. */
export interface Listed {
  readonly id: string;
  /** Another text whenever something has changed that may matter. */
  readonly signature: string;
}

/**
 * Reads the answer to a list of containers.
 * @throws {Error} where it is none; the message is the reason alone
 */
export function readList(answer: unknown): Listed[] {
  if (!Array.isArray(answer)) throw new Error("the answer is no list of containers");
  return answer.map((one) => {
    const { Id: id, State, Status, Names, Ports, NetworkSettings } = fields(one);
    if (typeof id !== "string" || !isId(id)) throw new Error("the answer is no list of containers");
    const networks = Object.entries(fields(fields(NetworkSettings)["Networks"])).map(([name, about]) => {
      const { IPAddress, GlobalIPv6Address } = fields(about);
      return [name, IPAddress, GlobalIPv6Address];
    });
    // "Up 3 seconds (health: starting)": the time passes, and the health at the end matters. Others have numbers in parentheses.
    const [health = ""] = /\([a-z][a-z: ]*\)$/i.exec(text(Status)) ?? [];
    // Ports come in another order each time.
    const ports = list(Ports).map((port) => JSON.stringify(port)).sort();
    return { id, signature: JSON.stringify([State, health, Names, ports, networks]) };
  });
}

/** The fields of an object, or none. */
export function fields(value: unknown): Readonly<Record<string, unknown>> {
  return isObject(value) ? value : {};
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

export function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
