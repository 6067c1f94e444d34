/** What a person can look at when etcd cannot be used, by the names of our options. */
import type { Advice } from "../errors.ts";
import { connectionSettings } from "./connection.ts";
import { settingName } from "./settings.ts";

const { etcdEndpoint, etcdProtocol, caBundle, etcdCert, etcdKey, etcdServerName } = connectionSettings;
const { etcdUsername, etcdPassword, etcdPasswordFile } = connectionSettings;

const texts: Readonly<Record<Advice, string>> = {
  endpoint: `${settingName(etcdEndpoint)} and whether etcd runs there`,
  health: "whether etcd and the network to it are well",
  protocol: `${settingName(etcdProtocol)}, or the scheme of ${settingName(etcdEndpoint)}`,
  ca: settingName(caBundle),
  "server-certificate": "etcd's certificate, and the clock of this machine",
  "server-name": `${settingName(etcdEndpoint)}, or give ${settingName(etcdServerName)}`,
  "tls-version": "etcd's --tls-min-version and --cipher-suites",
  "client-certificate": `${settingName(etcdCert)} and ${settingName(etcdKey)}`,
  credentials: `${settingName(etcdUsername)} and ${settingName(etcdPassword)} or ${
    settingName(etcdPasswordFile)
  }`,
};

/** The message with what to look at behind it. */
export function withAdvice(message: string, advice: readonly Advice[]): string {
  return advice.length === 0 ? message : `${message}; check ${advice.map((item) => texts[item]).join("; ")}`;
}
