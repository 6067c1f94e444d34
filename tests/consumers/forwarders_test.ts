/** Servers and proxies that ask empusa for names, with the configurations that docs/dns.md has. */
import { Resolver } from "node:dns/promises";
import { assertEquals } from "@std/assert";
import { freePorts } from "../support/etcd.ts";
import { missingNamespaces, missingPrograms, testUnless } from "../support/lacking.ts";
import { until } from "../support/pause.ts";
import { launch } from "../support/program.ts";
import { projectFile } from "../support/project.ts";
import { documented } from "./documented.ts";
import { type NameServer, nameServer } from "./name_server.ts";
import { caddy, coredns } from "./readers.ts";

const coreDns = await coredns();
const caddyServer = await caddy();

const web = ["10.0.0.1:80", "10.0.0.2:81", "[fd00::1]:82"];

/** How a forwarder is started: its arguments, once its configuration is written. */
type Forwarder = (names: NameServer, port: number) => Promise<readonly [string, ...string[]]>;

const written = async ({ folder }: NameServer, name: string, text: string): Promise<string> => {
  await Deno.writeTextFile(`${folder}/${name}`, text);
  return `${folder}/${name}`;
};

const dnsmasq: Forwarder = async (names, port) => {
  const text = await documented("dnsmasq:", { "127.0.0.1#8600": `127.0.0.1#${names.port}` });
  const own =
    `port=${port}\nlisten-address=127.0.0.1\nbind-interfaces\nno-resolv\nno-hosts\nuser=root\npid-file=\n`;
  return [
    "dnsmasq",
    "--keep-in-foreground",
    `--conf-file=${await written(names, "dnsmasq.conf", own + text)}`,
  ];
};

const unbound: Forwarder = async (names, port) => {
  const text = await documented("Unbound:", { "127.0.0.1@8600": `127.0.0.1@${names.port}` });
  // Where it was unpacked only, there is no /etc/unbound.
  const own =
    `  interface: 127.0.0.1@${port}\n  username: ""\n  chroot: ""\n  directory: /\n  pidfile: ""\n` +
    "  use-syslog: no\nremote-control:\n  control-enable: no\n\n";
  const [server = "", zone = ""] = text.split(/\n\n/);
  return ["unbound", "-d", "-c", await written(names, "unbound.conf", `${server}\n${own}${zone}`)];
};

const forwardingCoreDns: Forwarder = async (names, port) => {
  const text = await documented("CoreDNS:", {
    "empusa {": `empusa:${port} {\n  bind 127.0.0.1`,
    "127.0.0.1:8600": `127.0.0.1:${names.port}`,
  });
  return [coreDns.path, "-conf", await written(names, "Corefile", text)];
};

const resolved = await firstFile(
  "/lib/systemd/systemd-resolved",
  projectFile(".deps/resolvers/lib/systemd/systemd-resolved"),
);

/** It has no option for its configuration: that is in a /run of its own, like its user. */
const resolvedScript = `
  set -e
  grep -q ^systemd-resolve: /etc/passwd || {
    (cat /etc/passwd; echo "systemd-resolve:x:993:993::/:/bin/false") >"$1/passwd"
    mount --bind "$1/passwd" /etc/passwd
  }
  mount -t tmpfs none /run
  mkdir -p /run/systemd/resolved.conf.d
  cp "$1"/*.conf /run/systemd/resolved.conf.d
  libraries=\${2%/lib/systemd/*}/usr/lib/$(uname -m)-linux-gnu
  LD_LIBRARY_PATH=$libraries:$libraries/systemd exec "$2"`;

const systemdResolved: Forwarder = async (names, port) => {
  await written(names, "documented.conf", await documented("systemd-resolved,", { "8600": `${names.port}` }));
  const own = `DNSStubListener=no\nDNSStubListenerExtra=127.0.0.1:${port}\nLLMNR=no\nMulticastDNS=no\n`;
  await written(names, "own.conf", `[Resolve]\n${own}`);
  return ["unshare", "--mount", "bash", "-c", resolvedScript, "bash", names.folder, resolved ?? ""];
};

/** The first of some files that is there. */
async function firstFile(...paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) if (await Deno.stat(path).catch(() => undefined) !== undefined) return path;
  return undefined;
}

/** Why systemd-resolved cannot be tried. */
const noResolved = resolved === undefined ? "no systemd-resolved" : missingNamespaces("--mount");

for (
  const [title, missing, forwarder] of [
    ["dnsmasq", missingPrograms("dnsmasq"), dnsmasq],
    ["Unbound", missingPrograms("unbound"), unbound],
    ["CoreDNS", coreDns.missing, forwardingCoreDns],
    ["systemd-resolved", noResolved, systemdResolved],
  ] as const
) {
  testUnless(missing, `${title} forwards the domain, and forgets what is over`, async () => {
    await using names = await nameServer(web);
    const [port = 0] = freePorts(1);
    await using running = launch(await forwarder(names, port), {});
    let output = "";
    void running.outcome.then(({ stderr, stdout }) => output = stderr + stdout);
    const resolver = new Resolver({ timeout: 1000, tries: 1 });
    resolver.setServers([`127.0.0.1:${port}`]);
    const found = async (name: string): Promise<string> => {
      try {
        return `${(await resolver.resolve4(name)).sort()}`;
      } catch (error) {
        return `${(error as { code?: string }).code}`;
      }
    };
    await until(`${title} answers ${output}`, async () => await found("web.empusa") === "10.0.0.1,10.0.0.2");
    assertEquals(await resolver.resolve6("w2.web.empusa"), ["fd00::1"]);
    const services = await resolver.resolveSrv("_web._tcp.empusa");
    assertEquals(services.map(({ name, port }) => `${name}:${port}`).sort(), [
      "w0.web.empusa:80",
      "w1.web.empusa:81",
      "w2.web.empusa:82",
    ]);
    assertEquals(await found("nothing.empusa"), "ENOTFOUND");
    await names.etcd.etcdctl("del", "/foo/service/web/w1");
    await names.etcd.etcdctl("put", "/foo/service/nothing/a", "10.0.0.9:80");
    await until("it forgets what is gone", async () => await found("web.empusa") === "10.0.0.1");
    await until(
      "it forgets that there was nothing",
      async () => await found("nothing.empusa") === "10.0.0.9",
    );
  });
}

interface Backends extends AsyncDisposable {
  readonly ports: readonly number[];
}

/** Two servers that answer with their names, at the same port if that is wanted. */
function backends(...hosts: readonly [string, number][]): Backends {
  const servers = hosts.map(([hostname, port], i) =>
    Deno.serve({ hostname, port, onListen: () => {} }, () => new Response(`w${i}`))
  );
  return {
    ports: servers.map(({ addr }) => addr.port),
    async [Symbol.asyncDispose](): Promise<void> {
      for (const server of servers) await server.shutdown();
    },
  };
}

/** The names of those that answer of 10 requests. */
async function answering(port: number): Promise<string> {
  const names = new Set<string>();
  for (let i = 0; i < 10; i++) {
    // One connection for each: a kept one would lead to the same server.
    const answer = await fetch(`http://127.0.0.1:${port}/`, { headers: { Connection: "close" } })
      .catch(() => undefined);
    const text = await answer?.text();
    names.add(answer?.ok && text !== undefined ? text : "nobody");
  }
  return [...names].sort().join();
}

/** Instances come, one is paused and comes back: requests follow. */
async function follows(names: NameServer, port: number): Promise<void> {
  const { services } = names.server.registry;
  await until("both are asked", async () => await answering(port) === "w0,w1", 20);
  await services.pause({ type: "web", name: "w0" }, { reason: "", seconds: undefined });
  await until("the paused one is not asked", async () => await answering(port) === "w1", 20);
  await services.resume({ type: "web", name: "w0" });
  await until("it is asked again", async () => await answering(port) === "w0,w1", 20);
}

testUnless(missingPrograms("haproxy"), "HAProxy takes its servers from SRV records", async () => {
  await using servers = backends(["127.0.0.1", 0], ["127.0.0.1", 0]);
  await using names = await nameServer(servers.ports.map((port) => `127.0.0.1:${port}`));
  const [port = 0] = freePorts(1);
  const text = await documented("HAProxy takes", { "127.0.0.1:8600": `127.0.0.1:${names.port}` });
  const own = "defaults\n  mode http\n  timeout connect 1s\n  timeout client 5s\n  timeout server 5s\n" +
    `frontend f\n  bind 127.0.0.1:${port}\n  default_backend web\n`;
  await using _haproxy = launch(
    ["haproxy", "-db", "-f", await written(names, "haproxy.cfg", own + text)],
    {},
  );
  await follows(names, port);
});

testUnless(missingPrograms("nginx"), "nginx looks names up again", async () => {
  const [port = 0, backendPort = 0] = freePorts(2);
  await using _servers = backends(["127.0.0.1", backendPort], ["127.0.0.2", backendPort]);
  await using names = await nameServer([`127.0.0.1:${backendPort}`, `127.0.0.2:${backendPort}`]);
  const text = await documented("nginx looks", {
    "127.0.0.1:8600": `127.0.0.1:${names.port}`,
    "127.0.0.1:8080": `127.0.0.1:${port}`,
    "8081": `${backendPort}`,
  });
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((name) => `${name}_temp_path tmp;\n`).join("");
  const own =
    `error_log stderr;\npid pid;\ndaemon off;\nmaster_process off;\nevents {}\nhttp {\naccess_log off;\n` +
    `${temporary}${text}}\n`;
  await written(names, "nginx.conf", own);
  await using _nginx = launch(["nginx", "-p", names.folder, "-c", "nginx.conf"], {});
  await follows(names, port);
});

testUnless(caddyServer.missing, "Caddy takes its servers from SRV records", async () => {
  await using servers = backends(["127.0.0.1", 0], ["127.0.0.1", 0]);
  await using names = await nameServer(servers.ports.map((port) => `127.0.0.1:${port}`));
  const [port = 0] = freePorts(1);
  const text = await documented("Caddy asks", {
    ":8080 {": `{\n  admin off\n}\nhttp://127.0.0.1:${port} {`,
    "127.0.0.1:8600": `127.0.0.1:${names.port}`,
  });
  const config = await written(names, "Caddyfile", text);
  const home = { HOME: names.folder, XDG_DATA_HOME: names.folder, XDG_CONFIG_HOME: names.folder };
  await using _caddy = launch([caddyServer.path, "run", "--config", config, "--adapter", "caddyfile"], home);
  await follows(names, port);
});
