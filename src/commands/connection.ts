/** The settings that every command has: where the registry is, and how to talk about it. */
import { RuleViolation, UsageError } from "../errors.ts";
import { logLevels } from "../log.ts";
import {
  type Connection,
  type Endpoint,
  parseCaBundle,
  parseClientCertificate,
  parseClientKey,
  parseEndpoints,
  parseTreeRoot,
  protocols,
  showEndpoint,
} from "../registry/mod.ts";
import type { System } from "../system.ts";
import {
  broken,
  named,
  obey,
  oneOf,
  optional,
  required,
  type Setting,
  type Values,
  withDefault,
} from "./settings.ts";

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
  caBundle: optional({
    flag: "--ca-bundle",
    placeholder: "FILE",
    env: "EMPUSA_CA_BUNDLE",
    envOfOthers: ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"],
    meaning: "The CAs that sign etcd's certificate, in PEM; the system's where it is not given.",
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
    parse: (text) => text,
  }),
  etcdUsername: optional({
    flag: "--etcd-username",
    placeholder: "NAME",
    env: "EMPUSA_ETCD_USERNAME",
    meaning: "Who we are to etcd.",
    parse: (text) => text,
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
    meaning: "A file that holds the password.",
    parse: (text) => text,
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

/** What to connect to, with the files that are needed for it. */
export async function connectionOf(
  typed: Values<typeof connectionSettings>,
  system: Pick<System, "readFile">,
): Promise<Connection> {
  const { treeRoot, timeout } = typed;
  const endpoints = obey(
    etcdEndpoint,
    typed.etcdEndpoint,
    (text) => parseEndpoints(text, typed.etcdProtocol),
  );
  const [tls, login] = await Promise.all([tlsOf(typed, endpoints, system), loginOf(typed, system)]);
  return {
    endpoints,
    treeRoot,
    timeout: timeout * 1000,
    ...tls === undefined ? {} : { tls },
    ...login === undefined ? {} : { login },
  };
}

async function tlsOf(
  { caBundle, etcdCert, etcdKey, etcdServerName }: Values<typeof connectionSettings>,
  endpoints: readonly Endpoint[],
  system: Pick<System, "readFile">,
): Promise<Connection["tls"]> {
  const secure = endpoints.filter(({ protocol }) => protocol === "https").length;
  if (secure > 0 && secure < endpoints.length) {
    throw new UsageError(
      `${named(connectionSettings.etcdEndpoint)} must not mix http and https, but there are ` +
        endpoints.map(showEndpoint).join(", "),
    );
  }
  const { etcdCert: certSetting, etcdKey: keySetting, etcdServerName: nameSetting } = connectionSettings;
  if (secure === 0) {
    const useless = [[etcdCert, certSetting], [etcdKey, keySetting], [etcdServerName, nameSetting]] as const;
    const [, setting] = useless.find(([value]) => value !== undefined) ?? [];
    if (setting === undefined) return undefined;
    throw new UsageError(`${named(setting)} needs endpoints that speak https`);
  }
  if ((etcdCert === undefined) !== (etcdKey === undefined)) {
    const [given, missing] = etcdKey === undefined ? [certSetting, keySetting] : [keySetting, certSetting];
    throw new UsageError(`${named(given)} needs ${named(missing)} too`);
  }
  const ca = caBundle === undefined
    ? undefined
    : await readPem(connectionSettings.caBundle, caBundle, parseCaBundle, system);
  const client = etcdCert === undefined || etcdKey === undefined ? undefined : {
    certificate: await readPem(certSetting, etcdCert, parseClientCertificate, system),
    key: await readPem(
      keySetting,
      etcdKey,
      async (pem) => parseClientKey(pem, await system.readFile(etcdCert)),
      system,
    ),
  };
  return {
    ...ca === undefined ? {} : { ca },
    ...client === undefined ? {} : { client },
    ...etcdServerName === undefined ? {} : { serverName: etcdServerName },
  };
}

async function loginOf(
  { etcdUsername, etcdPassword, etcdPasswordFile }: Values<typeof connectionSettings>,
  system: Pick<System, "readFile">,
): Promise<Connection["login"]> {
  const { etcdUsername: user, etcdPassword: word, etcdPasswordFile: file } = connectionSettings;
  if (etcdPassword !== undefined && etcdPasswordFile !== undefined) {
    throw new UsageError(`${named(word)} and ${named(file)} must not both be given`);
  }
  const source = etcdPassword !== undefined ? word : etcdPasswordFile !== undefined ? file : undefined;
  if (etcdUsername === undefined) {
    if (source === undefined) return undefined;
    throw new UsageError(`${named(source)} needs ${named(user)} too`);
  }
  if (source === undefined) throw new UsageError(`${named(user)} needs ${named(word)} or ${named(file)} too`);
  const password = etcdPassword ??
    new TextDecoder().decode(await readFile(file, etcdPasswordFile as string, system)).replace(/\r?\n$/, "");
  if (password === "") throw broken(file, "hold a password", etcdPasswordFile as string);
  return { username: etcdUsername, password };
}

/** Reads a file that a setting names. */
async function readFile(
  setting: Setting<unknown>,
  path: string,
  system: Pick<System, "readFile">,
): Promise<Uint8Array> {
  try {
    return await system.readFile(path);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    // "No such file or directory (os error 2): readfile 'x'", of which the beginning will do.
    const reason = error.message.replace(/ \(os error.*/s, "").toLowerCase();
    throw new UsageError(`${named(setting)} cannot be read at ${JSON.stringify(path)}: ${reason}`, {
      cause: error,
    });
  }
}

async function readPem(
  setting: Setting<unknown>,
  path: string,
  parse: (pem: Uint8Array) => Pem | Promise<Pem>,
  system: Pick<System, "readFile">,
): Promise<Pem> {
  const pem = await readFile(setting, path, system);
  try {
    return await parse(pem);
  } catch (error) {
    if (!(error instanceof RuleViolation)) throw error;
    throw new UsageError(`${named(setting)} must ${error.message}, which ${JSON.stringify(path)} does not`, {
      cause: error,
    });
  }
}

/** The bytes of a PEM file that was looked at. */
type Pem = ReturnType<typeof parseCaBundle>;

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
