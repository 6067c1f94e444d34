/** The settings that every command has: where the registry is, and how to talk about it. */
import { RuleViolation, UsageError } from "../errors.ts";
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

/** The longest time that is waited for, in seconds: no timer counts further than 2^31 milliseconds. */
export const maxSeconds = 1_000_000;

/** The longest TTL that etcd grants (`MaxLeaseTTL` in its `lease/lessor.go`), in seconds. */
export const maxTtl = 9_000_000_000;

export const connectionSettings = {
  etcdEndpoint: required({
    flag: "--etcd-endpoint",
    placeholder: "ENDPOINT",
    env: "EMPUSA_ETCD_ENDPOINT",
    meaning:
      "Where etcd listens for clients, as HOST:PORT or a URL; several are separated by commas or blanks.",
    repeatable: true,
    // It takes the protocol to be understood: see access.ts.
    parse: (text) => text,
  }),
  etcdApiVersion: withDefault("3", {
    flag: "--etcd-api-version",
    placeholder: "VERSION",
    env: "EMPUSA_ETCD_API_VERSION",
    meaning: "The version of etcd's API; empusa speaks 3 alone.",
    ...oneOf(["3"]),
    parse: parseApiVersion,
  }),
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
  caBundle: optional({
    flag: "--ca-bundle",
    placeholder: "FILE",
    env: "EMPUSA_CA_BUNDLE",
    envOfOthers: ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"],
    meaning: "The CAs that sign etcd's certificate, in PEM; Mozilla's where it is not given.",
    parse: (text) => text,
  }),
  etcdCert: optional({
    flag: "--etcd-cert",
    placeholder: "FILE",
    env: "EMPUSA_ETCD_CERT",
    meaning: "Our own certificate for etcd, in PEM.",
    parse: (text) => text,
  }),
  etcdKey: optional({
    flag: "--etcd-key",
    placeholder: "FILE",
    env: "EMPUSA_ETCD_KEY",
    meaning: "Its private key, in PEM.",
    parse: (text) => text,
  }),
  etcdServerName: optional({
    flag: "--etcd-server-name",
    placeholder: "NAME",
    env: "EMPUSA_ETCD_SERVER_NAME",
    meaning: "The name that etcd's certificate is for, where that is not the endpoint's host.",
    parse: parseName,
  }),
  etcdUsername: optional({
    flag: "--etcd-username",
    placeholder: "NAME",
    env: "EMPUSA_ETCD_USERNAME",
    meaning: "Who we are to etcd.",
    parse: parseName,
  }),
  etcdPassword: optional({
    flag: "--etcd-password",
    placeholder: "PASSWORD",
    env: "EMPUSA_ETCD_PASSWORD",
    meaning: "The password; others on this machine can see it unless it comes from the variable.",
    parse: (text) => text,
  }),
  etcdPasswordFile: optional({
    flag: "--etcd-password-file",
    placeholder: "FILE",
    env: "EMPUSA_ETCD_PASSWORD_FILE",
    meaning: "A file that holds the password; - is standard input.",
    parse: (text) => text,
  }),
  timeout: withDefault("5", {
    flag: "--timeout",
    placeholder: "SECONDS",
    env: "EMPUSA_TIMEOUT",
    meaning: "How long a command may take, connecting included.",
    parse: seconds(),
  }),
  logLevel: withDefault("info", {
    flag: "--log-level",
    placeholder: "LEVEL",
    env: "EMPUSA_LOGLEVEL",
    meaning: "What is told on standard error; in any case, and by Python's names for levels too.",
    ...oneOf(logLevels),
    parse: parseLogLevel,
  }),
  logFormat: withDefault("text", {
    flag: "--log-format",
    placeholder: "FORMAT",
    env: "EMPUSA_LOG_FORMAT",
    meaning: "How it is told: as lines of text, or as JSON with time, level and message.",
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
    throw new RuleViolation(`be a number of seconds, ${least}at most ${maxSeconds}`);
  };
}

/** Whole milliseconds, at most an hour of them. */
export function milliseconds(text: string): number {
  const number = /^\d+$/.test(text) ? Number(text) : NaN;
  if (!(number <= 3_600_000)) throw new RuleViolation("be whole milliseconds, at most 3600000");
  return number;
}

/** A whole number, at least `min` and at most `max`. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const number = /^\d+$/.test(text) ? Number(text) : NaN;
    if (!(number >= min && number <= max)) {
      throw new RuleViolation(`be a whole number, at least ${min} and at most ${max}`);
    }
    return number;
  };
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
