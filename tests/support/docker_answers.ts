/** Answers of a Docker daemon, as far as empusa reads them. */
import { type Container, readContainer } from "../../src/agent/sources/docker/container.ts";
import { type Reading, readServices } from "../../src/agent/sources/docker/services.ts";

/** A container, as short as a test wants it. What is not given is as `docker run nginx` has it. */
export interface Sketch {
  readonly id?: string;
  readonly name?: string;
  readonly image?: string;
  readonly created?: string;
  readonly startedAt?: string;
  readonly state?: Readonly<Record<string, unknown>>;
  /** The status of its HEALTHCHECK. */
  readonly health?: string;
  /** What the last check printed. */
  readonly output?: string;
  readonly stopSignal?: string;
  readonly env?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  /** `80/tcp` */
  readonly exposed?: readonly string[];
  /** `0.0.0.0:8080`, `[::1]:8080`, of each port. */
  readonly published?: Readonly<Record<string, readonly string[]>>;
  readonly networkMode?: string;
  /** The address of each network: IPv4 and IPv6, separated by a blank. */
  readonly networks?: Readonly<Record<string, string>>;
}

/** An ID of a container: `1` stands for one, too. */
export function idOf(text: string): string {
  return text.padStart(64, "0");
}

/** The answer to an inspection. */
export function inspection(sketch: Sketch): Record<string, unknown> {
  const { name = "web-1", image = "nginx", published = {}, networks = { bridge: "172.17.0.2" }, health } =
    sketch;
  const binding = (text: string): Record<string, string> => {
    const at = text.lastIndexOf(":");
    return { HostIp: text.slice(0, at).replace(/^\[|\]$/g, ""), HostPort: text.slice(at + 1) };
  };
  const log = [{ ExitCode: 0, Output: "an older one" }, { ExitCode: 1, Output: sketch.output ?? "" }];
  return {
    Id: idOf(sketch.id ?? "1"),
    Name: `/${name}`,
    Created: sketch.created ?? "2026-01-01T00:00:00.5Z",
    State: {
      Running: true,
      StartedAt: sketch.startedAt ?? "2026-01-01T00:00:01Z",
      ...health === undefined ? {} : { Health: { Status: health, FailingStreak: 0, Log: log } },
      ...sketch.state,
    },
    Config: {
      Image: image,
      Env: sketch.env ?? ["PATH=/bin"],
      Labels: sketch.labels ?? {},
      ExposedPorts: Object.fromEntries((sketch.exposed ?? []).map((port) => [port, {}])),
      ...sketch.stopSignal === undefined ? {} : { StopSignal: sketch.stopSignal },
    },
    HostConfig: { NetworkMode: sketch.networkMode ?? "default" },
    NetworkSettings: {
      Ports: Object.fromEntries(Object.entries(published).map(([port, all]) => [port, all.map(binding)])),
      Networks: Object.fromEntries(
        Object.entries(networks).map(([network, addresses]) => {
          const [ipv4 = "", ipv6 = ""] = addresses.split(" ");
          return [network, { NetworkID: idOf(network), IPAddress: ipv4, GlobalIPv6Address: ipv6 }];
        }),
      ),
    },
  };
}

export function container(sketch: Sketch): Container {
  return readContainer(inspection(sketch));
}

export interface Reach {
  readonly ip?: string;
  readonly network?: string;
  readonly explicit?: boolean;
  readonly mirrors?: boolean;
}

/** What a container comes to, with an agent that says nothing but what is given. */
export function reading(sketch: Sketch, options: Reach = {}, owner?: Sketch): Reading {
  const all = { ip: "host", explicit: false, mirrors: true, ...options };
  return readServices(container(sketch), all, owner && container(owner));
}

/** `type/name@location`, with what else is not as usual. */
export function shown({ services, warnings }: Reading): unknown[] {
  return [
    ...services.map(({ definition }) => {
      const { type, name, location, tags, meta, weight, ttl, mirrors, checks } = definition;
      const more = {
        ...tags.length === 0 ? {} : { tags },
        ...Object.keys(meta).length === 0 ? {} : { meta },
        ...weight === 1 ? {} : { weight },
        ...ttl === undefined ? {} : { ttl },
        ...mirrors.length === 0 ? {} : { mirrors },
        ...checks.length === 0 ? {} : { checks },
      };
      const text = `${type}/${name}@${location}`;
      return Object.keys(more).length === 0 ? text : [text, more];
    }),
    ...warnings,
  ];
}

/** A container `web-1` of the image `nginx` with one port, or with two. */
export const one = { "80/tcp": ["0.0.0.0:8080"] };
export const two = { "80/tcp": ["0.0.0.0:8080"], "443/tcp": ["0.0.0.0:8443"] };

/** The usual name of the instance at port 80. */
export const usual = "{hostname}:web-1:80";

/** A row of a table: what a container becomes. */
export type Case = readonly [title: string, sketch: Sketch, expected: unknown[], options?: Reach];
