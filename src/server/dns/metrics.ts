/** What `/metrics` tells of DNS. */
import { Counter, Gauge, type Registry } from "prom-client";
import type { DnsCounts } from "./mod.ts";
import { rcodes } from "./zone.ts";

const names = new Map<number, string>(
  Object.entries({
    NOERROR: rcodes.noError,
    FORMERR: rcodes.formErr,
    SERVFAIL: rcodes.servFail,
    NXDOMAIN: rcodes.nxDomain,
    NOTIMP: rcodes.notImp,
    REFUSED: rcodes.refused,
    BADVERS: rcodes.badVers,
  }).map(([name, code]) => [code, name]),
);

export function addDns(registry: Registry, counts: () => DnsCounts): void {
  const registers = [registry];
  new Counter({
    name: "empusa_dns_answers_total",
    help: "Answers, by their code.",
    labelNames: ["code"],
    registers,
    collect(): void {
      this.reset();
      for (const [code, count] of counts().answers) this.inc({ code: names.get(code) ?? `${code}` }, count);
    },
  });
  new Counter({
    name: "empusa_dns_truncated_total",
    help: "Answers that had no room for all records.",
    registers,
    collect(): void {
      this.reset();
      this.inc(counts().truncated);
    },
  });
  new Gauge({
    name: "empusa_dns_connections",
    help: "Open connections over TCP.",
    registers,
    collect(): void {
      this.set(counts().connections);
    },
  });
  new Gauge({
    name: "empusa_dns_left_out_instances",
    help: "Instances in use of which DNS cannot tell everything.",
    registers,
    collect(): void {
      this.set(counts().lacking);
    },
  });
}
