/** The settings that every command has: where the registry is, and how to talk about it. */
import { InvalidValueError, UsageError } from "../errors.ts";
import { maxSeconds } from "../system/delay.ts";
import { logFormats, type LogLevel, logLevels } from "../system/log.ts";
import { parseName, parseTreeRoot, protocols } from "../registry/mod.ts";
import { oneOf, optional, required, withDefault } from "./settings.ts";

/** Python's other names for levels, which the variable of the Python original took, as ours. */
const levelsOfPython: Readonly<Record<string, LogLevel>> = {
  warning: "warn",
  critical: "error",
  fatal: "error",
  notset: "debug",
};

export const connectionSettings = {
  etcdEndpoint: required({
    flag: "--etcd-endpoint",
    placeholder: "ENDPOINT",
    env: "EMPUSA_ETCD_ENDPOINT",
    meaning: "etcd endpoints, HOST:PORT or URLs, separated by commas or blanks.",
    repeatable: true,
    // It takes the protocol to be understood: see access.ts.
    parse: (text) => text,
  }),
  etcdApiVersion: withDefault("3", {
    flag: "--etcd-api-version",
    placeholder: "VERSION",
    env: "EMPUSA_ETCD_API_VERSION",
    meaning: "Version of the etcd API.",
    ...oneOf(["3"]),
    parse: parseApiVersion,
  }),
  etcdProtocol: withDefault("http", {
    flag: "--etcd-protocol",
    placeholder: "PROTOCOL",
    env: "EMPUSA_ETCD_PROTOCOL",
    meaning: "Scheme of endpoints without one.",
    ...oneOf(protocols),
  }),
  treeRoot: required({
    flag: "--tree-root",
    placeholder: "PATH",
    env: "EMPUSA_TREE_ROOT",
    meaning: "Path in etcd under which empusa stores everything.",
    parse: parseTreeRoot,
  }),
  caBundle: optional({
    flag: "--ca-bundle",
    placeholder: "FILE",
    env: "EMPUSA_CA_BUNDLE",
    envOfOthers: ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"],
    meaning: "CAs (PEM) that sign etcd's certificate; Mozilla's if not given.",
    parse: (text) => text,
  }),
  etcdCert: optional({
    flag: "--etcd-cert",
    placeholder: "FILE",
    env: "EMPUSA_ETCD_CERT",
    meaning: "Client certificate (PEM).",
    parse: (text) => text,
  }),
  etcdKey: optional({
    flag: "--etcd-key",
    placeholder: "FILE",
    env: "EMPUSA_ETCD_KEY",
    meaning: "Private key of the client certificate (PEM).",
    parse: (text) => text,
  }),
  etcdServerName: optional({
    flag: "--etcd-server-name",
    placeholder: "NAME",
    env: "EMPUSA_ETCD_SERVER_NAME",
    meaning: "Server name in etcd's certificate, if it differs from the endpoint's host.",
    parse: parseName,
  }),
  etcdUsername: optional({
    flag: "--etcd-username",
    placeholder: "NAME",
    env: "EMPUSA_ETCD_USERNAME",
    meaning: "etcd user name.",
    parse: parseName,
  }),
  etcdPassword: optional({
    flag: "--etcd-password",
    placeholder: "PASSWORD",
    env: "EMPUSA_ETCD_PASSWORD",
    meaning: "etcd password; prefer the variable, which other users cannot see.",
    parse: (text) => text,
  }),
  etcdPasswordFile: optional({
    flag: "--etcd-password-file",
    placeholder: "FILE",
    env: "EMPUSA_ETCD_PASSWORD_FILE",
    meaning: "File with the etcd password; - is standard input.",
    parse: (text) => text,
  }),
  timeout: withDefault("5", {
    flag: "--timeout",
    placeholder: "SECONDS",
    env: "EMPUSA_TIMEOUT",
    meaning: "Time limit of a command, including the connection.",
    parse: seconds(),
  }),
  logLevel: withDefault("info", {
    flag: "--log-level",
    placeholder: "LEVEL",
    env: "EMPUSA_LOGLEVEL",
    meaning: "Lowest level to log; Python's level names work too.",
    ...oneOf(logLevels),
    parse: parseLogLevel,
  }),
  logFormat: withDefault("text", {
    flag: "--log-format",
    placeholder: "FORMAT",
    env: "EMPUSA_LOG_FORMAT",
    meaning: "Log format: lines of text, or JSON objects.",
    ...oneOf(logFormats),
  }),
} as const;

function parseLogLevel(text: string): LogLevel {
  const word = text.toLowerCase();
  return oneOf(logLevels).parse(
    Object.hasOwn(levelsOfPython, word) ? levelsOfPython[word] as LogLevel : word,
  );
}

/**
 * The one version that there is.
 * @throws {UsageError} for the one that the Python original spoke, saying how to move on
 */
function parseApiVersion(text: string): "3" {
  if (text === "2") {
    throw new UsageError(
      "--etcd-api-version (EMPUSA_ETCD_API_VERSION) cannot be 2, because empusa speaks the v3 API of etcd, which has " +
        'data of its own: unset it, copy what the v2 API holds with "empusa import --from-etcd-v2", and restart what registers services',
    );
  }
  return oneOf(["3"]).parse(text);
}

/** Seconds, with or without a fraction; more than none, unless it may be none. */
export function seconds({ orNone = false } = {}): (text: string) => number {
  return (text) => {
    const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : NaN;
    if (seconds <= maxSeconds && (seconds > 0 || orNone)) return seconds;
    const least = orNone ? "" : "more than 0 and ";
    throw new InvalidValueError(`be a number of seconds, ${least}at most ${maxSeconds}`);
  };
}

/** Whole milliseconds, at most an hour of them. */
export function milliseconds(text: string): number {
  const number = /^\d+$/.test(text) ? Number(text) : NaN;
  if (!(number <= 3_600_000)) throw new InvalidValueError("be whole milliseconds, at most 3600000");
  return number;
}

/** A whole number, at least `min` and at most `max`. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const number = /^\d+$/.test(text) ? Number(text) : NaN;
    if (!(number >= min && number <= max)) {
      throw new InvalidValueError(`be a whole number, at least ${min} and at most ${max}`);
    }
    return number;
  };
}

/** Whole seconds, at least 1 and at most `max`. */
export function wholeSeconds(max: number): (text: string) => number {
  return (text) => {
    const seconds = /^\d+$/.test(text) ? Number(text) : NaN;
    if (!(seconds >= 1 && seconds <= max)) {
      throw new InvalidValueError(`be whole seconds, at least 1 and at most ${max}`);
    }
    return seconds;
  };
}
