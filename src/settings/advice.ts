/** What a person can look at when etcd cannot be used, by the names of our options. */
import type { Advice } from "../errors.ts";
import { connectionSettings } from "./connection.ts";
import { named } from "./settings.ts";

const { etcdEndpoint, etcdProtocol, caBundle, etcdCert, etcdKey, etcdServerName } = connectionSettings;
const { etcdUsername, etcdPassword, etcdPasswordFile } = connectionSettings;

const texts: Readonly<Record<Advice, string>> = {
  endpoint: `${named(etcdEndpoint)} and whether etcd runs there`,
  health: "whether etcd and the network to it are well",
  protocol: `${named(etcdProtocol)}, or the scheme of ${named(etcdEndpoint)}`,
  ca: named(caBundle),
  "server-certificate": "etcd's certificate, and the clock of this machine",
  "server-name": `${named(etcdEndpoint)}, or give ${named(etcdServerName)}`,
  "tls-version": "etcd's --tls-min-version and --cipher-suites",
  "client-certificate": `${named(etcdCert)} and ${named(etcdKey)}`,
  credentials: `${named(etcdUsername)} and ${named(etcdPassword)} or ${named(etcdPasswordFile)}`,
};

/** The message with what to look at behind it. */
export function withAdvice(message: string, advice: readonly Advice[]): string {
  return advice.length === 0 ? message : `${message}; check ${advice.map((item) => texts[item]).join("; ")}`;
}
