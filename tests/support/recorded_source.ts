/** A source that runs, and what it has told. */
import type { Source, SourceService } from "../../src/agent/source.ts";

export class RecordedSource implements AsyncDisposable {
  readonly updates: (readonly SourceService[])[] = [];
  /** `warn: MESSAGE` */
  readonly reports: string[] = [];
  readonly #over = new AbortController();
  /** Rejects if the source fails. */
  readonly ended: Promise<void>;

  constructor(readonly source: Source) {
    this.ended = source.run({
      update: (services) => this.updates.push(services),
      report: (level, message) => this.reports.push(`${level}: ${message}`),
    }, this.#over.signal);
    // A test may look at it later.
    this.ended.catch(() => {});
  }

  /** The services that it names now, in order: `type/name@location`, and why they are out of use. */
  get named(): string[] {
    const services = this.updates.at(-1) ?? [];
    return services.map(({ definition: { type, name, location }, out }) =>
      `${type}/${name}@${location}${out === undefined ? "" : ` ${out}`}`
    ).sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort();
    await this.ended;
  }
}
