/** From the settings of the connection to the connection: what has to be read from files, and goes together. */
import { RuleViolation, UsageError } from "../errors.ts";
import { type Connection, type Endpoint, parseEndpoints, showEndpoint, tlsRules } from "../registry/mod.ts";
import type { System } from "../system.ts";
import { connectionSettings } from "./connection.ts";
import { broken, named, obey, type Setting, type Values } from "./settings.ts";

/** What to connect to, with the files that are needed for it. */
export async function connectionOf(
  typed: Values<typeof connectionSettings>,
  system: Pick<System, "readFile">,
): Promise<Connection> {
  const { treeRoot, timeout } = typed;
  const endpoints = obey(
    connectionSettings.etcdEndpoint,
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
    new TextDecoder().decode(await readFile(file, etcdPasswordFile as string, system)).replace(
      /[\r\n]+$/,
      "",
    );
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
  parse: (pem: Uint8Array) => Pem,
  system: Pick<System, "readFile">,
): Promise<Pem> {
  const pem = await readFile(setting, path, system);
  try {
    return parse(pem);
  } catch (error) {
    if (!(error instanceof RuleViolation)) throw error;
    throw new UsageError(`${named(setting)} must ${error.message}, which ${JSON.stringify(path)} does not`, {
      cause: error,
    });
  }
}

/** The bytes of a PEM file that was looked at. */
type Pem = NonNullable<NonNullable<Connection["tls"]>["ca"]>;
