/** What a server must answer, by a model of the registry that shares nothing with it; and what it does answer. */
import { askUdp, question, read } from "./dns.ts";
import { get } from "./serving.ts";

export const typeNames: readonly string[] = ["db", "web"];

/** An instance as it was registered. */
export interface Registered {
  readonly type: string;
  readonly name: string;
  /** An address with a port, or a path behind `unix:`. */
  readonly location: string;
  readonly tags: readonly string[];
  readonly weight: number;
}

/** Answers by what was asked, each as text that can be compared. */
export type Answers = Readonly<Record<string, string>>;

export class ServedModel {
  readonly instances = new Map<string, Registered>();
  /** A pause outlives its instance. */
  readonly paused = new Set<string>();
  readonly switches = new Map<string, string>();

  /** etcd has lost everything. */
  clear(): void {
    for (const all of [this.instances, this.paused, this.switches]) all.clear();
  }

  expected(): Answers {
    const all = [...this.instances].sort(([a], [b]) => a < b ? -1 : 1).map(([id, one]) => ({
      ...one,
      id,
      isOut: this.paused.has(id),
    }));
    const used = all.filter(({ isOut }) => !isOut);
    const told = all.filter(({ location }) => !location.startsWith("unix:"));
    const toldUsed = told.filter(({ isOut }) => !isOut);
    const answers: Record<string, string> = {
      services: lines(used.map(described)),
      all: lines(all.map((one) => `${described(one)} ${one.isOut ? "maintenance" : "up"}`)),
      catalog: lines(
        typeNames.filter((type) => told.some((one) => one.type === type)).map((type) => {
          const tags = new Set(told.filter((one) => one.type === type).flatMap((one) => one.tags));
          return `${type} ${[...tags].sort()}`;
        }),
      ),
      critical: lines(told.filter(({ isOut }) => isOut).map(({ id }) => id)),
      prometheus: lines(toldUsed.map(({ id, location, weight }) => `${id} ${location} ${weight}`)),
      traefik: lines(toldUsed.map(({ type, location, weight }) => `${type} http://${location} ${weight}`)),
      switches: lines([...this.switches].map(([name, value]) => `${name} ${value}`)),
    };
    for (const type of typeNames) {
      const of = <T extends Registered>(those: readonly T[]): T[] => those.filter((one) => one.type === type);
      const addresses = of(toldUsed).map(({ location }) => location.replace(/:\d+$/, ""));
      answers[`health ${type}`] = lines(of(told).map(({ id, isOut }) => `${id} ${isOut}`));
      answers[`passing ${type}`] = lines(of(toldUsed).map(({ id }) => id));
      answers[`dns ${type}`] = `${of(all).length === 0 ? 3 : 0} ${addresses.sort()}`;
      answers[`pick ${type}`] = `${of(used).length > 0}`;
    }
    return answers;
  }
}

interface Told extends Registered {
  readonly service: string;
  readonly state?: string;
}

/** Everything that the model knows an answer for, asked at once. The indexes of the types are a part of it. */
export async function answersOf(
  url: string,
  dnsPort: number,
): Promise<{ readonly answers: Answers; readonly indexes: readonly number[] }> {
  const indexes: number[] = [];
  // deno-lint-ignore no-explicit-any -- the JSON is looked into
  const json = async (path: string): Promise<any> => {
    const { status, text, headers } = await get(url + path);
    if (status !== 200) throw new Error(`${path}: ${status} ${text}`);
    if (path.startsWith("/v1/health/service/")) indexes.push(Number(headers.get("x-consul-index")));
    return JSON.parse(text);
  };
  const described_ = (one: Told): string => described(one) + (one.state === undefined ? "" : ` ${one.state}`);
  const answers: Record<string, string> = {
    services: lines((await json("/api/services")).map(described_)),
    all: lines((await json("/api/services?all")).map(described_)),
    catalog: lines(
      Object.entries(await json("/v1/catalog/services")).map(([type, tags]) =>
        `${type} ${(tags as string[]).toSorted()}`
      ),
    ),
    critical: lines(
      (await json("/v1/health/state/critical")).map(({ ServiceID }: Record<string, string>) => ServiceID),
    ),
    prometheus: lines((await json("/sd/prometheus")).map(target)),
    traefik: lines(
      Object.entries<Balanced>((await json("/sd/traefik")).http?.services ?? {}).flatMap(servers),
    ),
    switches: lines(
      (await json("/api/switches")).map((one: Record<string, string>) => `${one["switch"]} ${one["value"]}`),
    ),
  };
  for (const type of typeNames) {
    const entries = await json(`/v1/health/service/${type}`);
    const ids = (those: readonly Entry[]): string[] => those.map(({ Service }) => Service.ID);
    answers[`health ${type}`] = lines(entries.map(health));
    answers[`passing ${type}`] = lines(ids(await json(`/v1/health/service/${type}?passing`)));
    answers[`dns ${type}`] = await resolved(type, dnsPort);
    answers[`pick ${type}`] = `${(await get(`${url}/api/pick?type=${type}`)).status === 200}`;
  }
  return { answers, indexes };
}

interface Entry {
  readonly Service: { readonly ID: string };
  readonly Checks: readonly { readonly Status: string }[];
}

function health({ Service, Checks }: Entry): string {
  return `${Service.ID} ${Checks.some(({ Status }) => Status === "critical")}`;
}

function target(
  { targets, labels }: {
    readonly targets: readonly string[];
    readonly labels: Readonly<Record<string, string>>;
  },
): string {
  const [type, name, weight = 1] = ["type", "name", "weight"].map((label) =>
    labels[`__meta_empusa_${label}`]
  );
  return `${type}/${name} ${targets} ${weight}`;
}

interface Balanced {
  readonly loadBalancer: { readonly servers: readonly { readonly url: string; readonly weight?: number }[] };
}

function servers([type, { loadBalancer }]: [string, Balanced]): string[] {
  return loadBalancer.servers.map(({ url, weight = 1 }) => `${type} ${url} ${weight}`);
}

async function resolved(type: string, port: number): Promise<string> {
  const answer = await askUdp(port, question(`${type}.z`, "A", { payload: 1232 }));
  if (answer === undefined) throw new Error(`${type}.z is not answered`);
  const { rcode, answers } = read(answer);
  return `${rcode} ${answers.map((one) => one.replace(/^.* /, "")).sort()}`;
}

function described({ type, name, location, tags, weight }: Registered): string {
  return `${type}/${name} ${location} ${tags.toSorted()} ${weight}`;
}

function lines(all: readonly string[]): string {
  return all.toSorted().join("\n");
}
