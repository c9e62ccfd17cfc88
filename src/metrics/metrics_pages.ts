/**
 * What the endpoint answers to which path.
 *
 * @module
 */
import type { Sample } from "../telemetry/mod.ts";
import type { AgentHealth, HealthAnswer } from "./agent_health.ts";
import { acceptsGzip, chooseFormat, CONTENT_TYPES, type ExpositionFormat } from "./exposition.ts";
import { writeExposition } from "./exposition.ts";
import type { MetricsCounts } from "./metrics_counts.ts";
import type { SampleSource } from "./sample.ts";

/** What pages are made of. */
export interface MetricsPagesParts {
  readonly sources: readonly SampleSource[];
  readonly health: AgentHealth;
  readonly counts: MetricsCounts;
}

/** What of a request decides about the answer. */
export interface PageRequest {
  readonly method: string;
  /** As it came: path and query. */
  readonly target: string;
  readonly accept?: string | undefined;
  readonly acceptEncoding?: string | undefined;
}

/** An answer. */
export interface Page {
  /** Of the table, for counters. */
  readonly page: string;
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
  readonly gzip: boolean;
  /** Beside those that every answer has. */
  readonly headers?: Readonly<Record<string, string>>;
}

const JSON_TYPE = "application/json";
const TEXT_TYPE = "text/plain; charset=utf-8";
const UNAVAILABLE = 503;

/** The three pages, and what is said of all other requests. */
export class MetricsPages {
  readonly #parts: MetricsPagesParts;
  /** Collections under way by format: who asks meanwhile gets the same. */
  readonly #underWay = new Map<ExpositionFormat, Promise<string>>();

  constructor(parts: MetricsPagesParts) {
    this.#parts = parts;
  }

  async answer({ method, target, accept, acceptEncoding }: PageRequest): Promise<Page> {
    const path = target.split("?", 1)[0]!;
    const page = ["/metrics", "/healthz", "/readyz"].find((known) => known === path);
    if (page === undefined) {
      const body = "There are /metrics, /healthz and /readyz here\n";
      return { page: "other", status: 404, contentType: TEXT_TYPE, body, gzip: false };
    }
    if (method !== "GET" && method !== "HEAD") {
      const body = "Only GET and HEAD are answered here\n";
      const headers = { Allow: "GET, HEAD" };
      return { page, status: 405, contentType: TEXT_TYPE, body, gzip: false, headers };
    }
    const { health } = this.#parts;
    if (page === "/healthz") return healthPage(page, health.alive());
    if (page === "/readyz") return healthPage(page, health.ready());
    const format = chooseFormat(accept);
    const body = await this.#collect(format);
    const gzip = acceptsGzip(acceptEncoding);
    const headers = { Vary: "Accept, Accept-Encoding" };
    return { page, status: 200, contentType: CONTENT_TYPES[format], body, gzip, headers };
  }

  #collect(format: ExpositionFormat): Promise<string> {
    const underWay = this.#underWay.get(format);
    if (underWay !== undefined) return underWay;
    const collection = this.#write(format).finally(() => this.#underWay.delete(format));
    this.#underWay.set(format, collection);
    return collection;
  }

  async #write(format: ExpositionFormat): Promise<string> {
    const { counts } = this.#parts;
    const startMs = performance.now();
    const text = await writeExposition(this.#samples(), format);
    counts.collections.value++;
    counts.collectSeconds.value += (performance.now() - startMs) / 1000;
    return text;
  }

  *#samples(): Generator<Sample> {
    for (const source of this.#parts.sources) {
      let samples: readonly Sample[] = [];
      try {
        samples = [...source.collect()];
      } catch {
        this.#parts.counts.sourceFailed(source.name);
      }
      yield* samples;
    }
  }
}

function healthPage(page: string, { isWell, body }: HealthAnswer): Page {
  return {
    page,
    status: isWell ? 200 : UNAVAILABLE,
    contentType: JSON_TYPE,
    body: `${JSON.stringify(body)}\n`,
    gzip: false,
    headers: { "Cache-Control": "no-store" },
  };
}
