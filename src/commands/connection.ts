/** The settings that every command has: where the registry is, and how to talk about it. */
import { RuleViolation } from "../errors.ts";
import { logLevels } from "../log.ts";
import { type Connection, parseEndpoints, parseTreeRoot, protocols } from "../registry/mod.ts";
import { broken, oneOf, required, type Setting, type Values, withDefault } from "./settings.ts";

/** The longest time that is waited for, in seconds: no timer counts further than 2^31 milliseconds. */
export const maxSeconds = 1_000_000;

const etcdEndpoint: Setting<string> = required({
  flag: "--etcd-endpoint",
  placeholder: "ENDPOINT",
  env: "EMPUSA_ETCD_ENDPOINT",
  meaning: "Where etcd listens for clients, as HOST:PORT or a URL; several are separated by commas.",
  repeatable: true,
  // Needs the protocol to be understood: see connectionOf.
  parse: (text) => text,
});

export const connectionSettings = {
  etcdEndpoint,
  etcdProtocol: withDefault("http", {
    flag: "--etcd-protocol",
    placeholder: "PROTOCOL",
    env: "EMPUSA_ETCD_PROTOCOL",
    meaning: "For endpoints that are given without a scheme.",
    ...oneOf(protocols),
  }),
  treeRoot: required({
    flag: "--tree-root",
    placeholder: "PATH",
    env: "EMPUSA_TREE_ROOT",
    meaning: "The path in etcd under which everything is stored.",
    parse: parseTreeRoot,
  }),
  timeout: withDefault("5", {
    flag: "--timeout",
    placeholder: "SECONDS",
    env: "EMPUSA_TIMEOUT",
    meaning: "How long a command may take, connecting included.",
    parse: parseSeconds,
  }),
  logLevel: withDefault("info", {
    flag: "--log-level",
    placeholder: "LEVEL",
    env: "EMPUSA_LOGLEVEL",
    meaning: "What is told on standard error.",
    ...oneOf(logLevels),
  }),
} as const;

/** What to connect to. */
export function connectionOf(typed: Values<typeof connectionSettings>): Connection {
  const { treeRoot, timeout } = typed;
  try {
    const endpoints = parseEndpoints(typed.etcdEndpoint, typed.etcdProtocol);
    return { endpoints, treeRoot, timeout: timeout * 1000 };
  } catch (error) {
    if (!(error instanceof RuleViolation)) throw error;
    throw broken(etcdEndpoint, error.message, typed.etcdEndpoint);
  }
}

function parseSeconds(text: string): number {
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : NaN;
  if (!(seconds > 0 && seconds <= maxSeconds)) {
    throw new RuleViolation(`be a number of seconds, more than 0 and at most ${maxSeconds}`);
  }
  return seconds;
}

/** Whole seconds, at least 1 and at most `max`. */
export function wholeSeconds(max: number): (text: string) => number {
  return (text) => {
    const seconds = /^\d+$/.test(text) ? Number(text) : NaN;
    if (!(seconds >= 1 && seconds <= max)) {
      throw new RuleViolation(`be whole seconds, at least 1 and at most ${max}`);
    }
    return seconds;
  };
}
