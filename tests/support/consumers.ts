/** The programs that read what empusa writes, themselves: haproxy, nginx, promtool. */
export interface Read {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function read(program: string, args: readonly string[], cwd: string): Promise<Read> {
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args: [...args],
    cwd,
  }).output();
  const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/** What stands around a backend in a configuration of HAProxy. */
export function haproxyFrontend(backend: string): string {
  const settings = "  mode tcp\n  timeout connect 1s\n  timeout client 1s\n  timeout server 1s\n";
  return `defaults\n${settings}frontend f\n  bind 127.0.0.1:1\n  default_backend ${backend}\n`;
}

/** What HAProxy says of `server` lines in a backend. */
export async function haproxy(folder: string, servers: string): Promise<Read> {
  const parts = [haproxyFrontend("b"), `backend b\n${servers}`];
  await Deno.writeTextFile(`${folder}/haproxy.cfg`, parts.join(""));
  return await read("haproxy", ["-c", "-f", "haproxy.cfg"], folder);
}

/** What nginx says of `upstream` blocks, the first of which is used. */
export async function nginx(folder: string, upstreams: string): Promise<Read> {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) =>
    `${name}_temp_path tmp;\n`
  );
  const [, first] = /^upstream (\S+)/.exec(upstreams) ?? [];
  const use = first === undefined ? "return 404;" : `proxy_pass http://${first};`;
  const server = `server { listen 127.0.0.1:1; location / { ${use} } }`;
  const config = `error_log stderr;\npid pid;\nevents {}\nhttp {\naccess_log off;\n${
    temporary.join("")
  }${upstreams}${server}\n}\n`;
  await Deno.writeTextFile(`${folder}/nginx.conf`, config);
  return await read("nginx", ["-t", "-p", folder, "-c", "nginx.conf"], folder);
}

/** The targets and labels that Prometheus itself finds in a file of targets. */
export async function prometheus(folder: string, targets: string): Promise<Record<string, string>[]> {
  await Deno.writeTextFile(`${folder}/targets.json`, targets);
  const config = "scrape_configs:\n- job_name: x\n  file_sd_configs:\n  - files: [targets.json]\n";
  await Deno.writeTextFile(`${folder}/prometheus.yml`, config);
  const { code, stdout, stderr } = await read(
    "promtool",
    ["check", "service-discovery", "prometheus.yml", "x", "--timeout=2s"],
    folder,
  );
  if (code !== 0 || /level=error/.test(stderr)) throw new Error(`promtool: ${code} ${stderr}`);
  const found: { discoveredLabels: Record<string, string> }[] = JSON.parse(stdout) ?? [];
  return found.map(({ discoveredLabels }) => discoveredLabels);
}
