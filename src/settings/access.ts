/** From the settings of the connection to the connection: what has to be read from files, and goes together. */
import { InvalidValueError, UsageError } from "../errors.ts";
import {
  type Access,
  type Connection,
  type Endpoint,
  isLoopback,
  parseEndpoints,
  showEndpoint,
  tlsRules,
} from "../registry/mod.ts";
import { honorsTlsOptions, newerRuntime, runtime, trustsOnly } from "../system/runtime.ts";
import type { System } from "../system/mod.ts";
import { connectionSettings } from "./connection.ts";
import { invalidSetting, parseSetting, type Setting, settingName, type Values } from "./settings.ts";

type Typed = Values<typeof connectionSettings>;

/** What reading the files needs of the system. */
export type Files = Pick<System, "readFile" | "readStdin" | "isReadableByAll" | "env">;

/** Tells a person of something that is not as it should be. */
type Warn = (message: string) => void;

/** What to connect to, with the files that are needed for it, which are read again when they have changed. */
export async function connectionOf(typed: Typed, system: Files, warn: Warn): Promise<Connection> {
  const { treeRoot, timeout } = typed;
  const endpoints = parseSetting(
    connectionSettings.etcdEndpoint,
    typed.etcdEndpoint,
    (text) => parseEndpoints(text, typed.etcdProtocol),
  );
  const access = await accessOf(typed, endpoints, system);
  warnOfExposure(typed, endpoints, system, warn);
  return {
    endpoints,
    treeRoot,
    timeout: timeout * 1000,
    ...access,
    ...typed.caBundle ?? typed.etcdCert ?? typed.etcdPasswordFile
      ? { renew: renewal(typed, endpoints, system, warn) }
      : {},
  };
}

/** How to talk to those endpoints. */
export async function accessOf(typed: Typed, endpoints: readonly Endpoint[], system: Files): Promise<Access> {
  const [tls, login] = await Promise.all([tlsOf(typed, endpoints, system), loginOf(typed, system)]);
  return { ...tls === undefined ? {} : { tls }, ...login === undefined ? {} : { login } };
}

/** Reads the files again. Where they cannot be used, such as one that is half written, it says so once. */
function renewal(
  typed: Typed,
  endpoints: readonly Endpoint[],
  system: Files,
  warn: Warn,
): () => Promise<Access | undefined> {
  let reported = "";
  return async () => {
    try {
      const access = await accessOf(typed, endpoints, system);
      reported = "";
      return access;
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      if (reported !== error.message) warn(`${error.message}; empusa goes on with what it read before`);
      reported = error.message;
      return undefined;
    }
  };
}

/** Warns of files that others can read, and of checks that are on although a setting seems to switch them off. */
function warnOfExposure(
  { etcdUsername, etcdPasswordFile: file }: Typed,
  endpoints: readonly Endpoint[],
  system: Files,
  warn: Warn,
): void {
  const { etcdPasswordFile, etcdProtocol } = connectionSettings;
  const open = endpoints.find((endpoint) => endpoint.protocol === "http" && !isLoopback(endpoint));
  if (etcdUsername !== undefined && open !== undefined) {
    warn(
      `the password goes unencrypted to ${showEndpoint(open)}; use https: see ${settingName(etcdProtocol)}`,
    );
  }
  if (file !== undefined && system.isReadableByAll(file)) {
    warn(
      `every user of this machine may read ${JSON.stringify(file)}, which ${
        settingName(etcdPasswordFile)
      } names; use chmod 600`,
    );
  }
  if (system.env("NODE_TLS_REJECT_UNAUTHORIZED") === "0" && endpoints[0]?.protocol === "https") {
    warn("NODE_TLS_REJECT_UNAUTHORIZED=0 is ignored: empusa verifies every certificate");
  }
}

async function tlsOf(
  typed: Typed,
  endpoints: readonly Endpoint[],
  system: Files,
): Promise<Access["tls"]> {
  const { caBundle, etcdCert, etcdKey, etcdServerName } = typed;
  const secure = endpoints.filter(({ protocol }) => protocol === "https").length;
  if (secure > 0 && secure < endpoints.length) {
    throw new UsageError(
      `${settingName(connectionSettings.etcdEndpoint)} must not mix http and https, but there are ` +
        endpoints.map(showEndpoint).join(", "),
    );
  }
  const { etcdCert: certSetting, etcdKey: keySetting, etcdServerName: nameSetting } = connectionSettings;
  if (secure === 0) {
    const useless = [[etcdCert, certSetting], [etcdKey, keySetting], [etcdServerName, nameSetting]] as const;
    const [, setting] = useless.find(([value]) => value !== undefined) ?? [];
    if (setting === undefined) return undefined;
    throw new UsageError(`${settingName(setting)} needs endpoints that speak https`);
  }
  if ((etcdCert === undefined) !== (etcdKey === undefined)) {
    const [given, missing] = etcdKey === undefined ? [certSetting, keySetting] : [keySetting, certSetting];
    throw new UsageError(`${settingName(given)} needs ${settingName(missing)} too`);
  }
  if (!honorsTlsOptions) refuseIgnored(typed, system);
  const { parseCaBundle, parseClientCertificate, parseClientKey } = await tlsRules();
  const ca = caBundle === undefined
    ? undefined
    : await readPem(connectionSettings.caBundle, caBundle, parseCaBundle, system);
  const trust = {
    ...ca === undefined ? {} : { ca },
    ...etcdServerName === undefined ? {} : { serverName: etcdServerName },
  };
  if (etcdCert === undefined || etcdKey === undefined) return trust;
  const certificate = await readPem(certSetting, etcdCert, parseClientCertificate, system);
  const key = await readPem(keySetting, etcdKey, (pem) => parseClientKey(pem, certificate), system);
  return { ...trust, client: { certificate, key } };
}

/**
 * Refuses what the runtime would ignore in silence, and connect all the same.
 * @throws {UsageError} naming the runtime, and what to do
 */
export function refuseIgnored(
  { caBundle, etcdCert, etcdServerName }: Pick<Typed, "caBundle" | "etcdCert" | "etcdServerName">,
  { env }: Pick<System, "env">,
): void {
  const refuse = (setting: Setting<unknown>, remedy = ""): never => {
    throw new UsageError(
      `${settingName(setting)} cannot be used: ${runtime} ignores it; use ${newerRuntime}${remedy}`,
    );
  };
  const { caBundle: caSetting, etcdCert: certSetting, etcdServerName: nameSetting } = connectionSettings;
  if (etcdCert !== undefined) refuse(certSetting);
  if (etcdServerName !== undefined) refuse(nameSetting);
  if (caBundle !== undefined && !trustsOnly(caBundle, env)) {
    refuse(caSetting, ", or set DENO_TLS_CA_STORE=system and SSL_CERT_FILE to that file, and no DENO_CERT");
  }
}

async function loginOf(
  { etcdUsername, etcdPassword, etcdPasswordFile }: Typed,
  system: Files,
): Promise<Access["login"]> {
  const { etcdUsername: user, etcdPassword: word, etcdPasswordFile: file } = connectionSettings;
  if (etcdPassword !== undefined && etcdPasswordFile !== undefined) {
    throw new UsageError(`${settingName(word)} and ${settingName(file)} must not both be given`);
  }
  const source = etcdPassword !== undefined ? word : etcdPasswordFile !== undefined ? file : undefined;
  if (etcdUsername === undefined) {
    if (source === undefined) return undefined;
    throw new UsageError(`${settingName(source)} needs ${settingName(user)} too`);
  }
  if (source === undefined) {
    throw new UsageError(`${settingName(user)} needs ${settingName(word)} or ${settingName(file)} too`);
  }
  const password = etcdPassword ??
    new TextDecoder().decode(await readSecret(file, etcdPasswordFile as string, system)).replace(
      /[\r\n]+$/,
      "",
    );
  if (password === "") throw invalidSetting(file, "hold a password", etcdPasswordFile as string);
  return { username: etcdUsername, password };
}

/** What came through pipes: it can be read once. */
const piped = new Map<string, Promise<Uint8Array>>();

/** More than any password or PEM file has, in bytes. */
const longestSecret = 1 << 20;

/** Reads a file that a setting names, standard input, or what a shell gives as `<(command)`. */
function readSecret(setting: Setting<unknown>, path: string, system: Files): Promise<Uint8Array> {
  const isStdin = path === "-" || path === "/dev/stdin";
  if (!isStdin && !/^\/(dev|proc)\//.test(path)) return readFile(setting, path, system);
  const before = piped.get(path);
  if (before !== undefined) return before;
  const content = isStdin ? system.readStdin(longestSecret) : readFile(setting, path, system);
  piped.set(path, content);
  return content;
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
    // Deno reads no descriptors of its own process, and would advise to allow everything.
    if (error instanceof Deno.errors.NotCapable) {
      throw new UsageError(
        `${settingName(setting)} cannot be read at ${JSON.stringify(path)}: Deno may not read it; ` +
          "name a plain file that --allow-read covers",
        { cause: error },
      );
    }
    // "No such file or directory (os error 2): readfile 'x'", of which the beginning will do.
    const reason = error.message.replace(/ \(os error.*/s, "").toLowerCase();
    throw new UsageError(`${settingName(setting)} cannot be read at ${JSON.stringify(path)}: ${reason}`, {
      cause: error,
    });
  }
}

/**
 * Reads a PEM file that a setting names.
 * @throws {UsageError} where it cannot be read, or does not hold what it should
 */
export async function readPem(
  setting: Setting<unknown>,
  path: string,
  parse: (pem: Uint8Array) => Pem,
  system: Files,
): Promise<Pem> {
  const pem = await readFile(setting, path, system);
  try {
    return parse(pem);
  } catch (error) {
    if (!(error instanceof InvalidValueError)) throw error;
    throw new UsageError(
      `${settingName(setting)} must ${error.message}, which ${JSON.stringify(path)} does not`,
      {
        cause: error,
      },
    );
  }
}

/** The bytes of a PEM file that was looked at. */
type Pem = NonNullable<NonNullable<Access["tls"]>["ca"]>;
