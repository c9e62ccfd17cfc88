/**
 * What the endpoint answers to which path.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
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
  /** For tests. */
  readonly times?: Partial<PageTimes>;
}

/** How long pages are good. */
export interface PageTimes {
  /**
   * A page is given to those who come within so many times its cost, so that whoever asks without
   * end takes a bounded share of the main thread.
   */
  readonly shareFactor: number;
  /** And no longer than that. */
  readonly shareMaxMs: number;
  /** Who has waited that long gets the page before, where it is no older than the other. */
  readonly waitMs: number;
  readonly olderMaxMs: number;
}

const PAGE_TIMES: PageTimes = {
  shareFactor: 2,
  shareMaxMs: 1000,
  waitMs: 700,
  olderMaxMs: 10_000,
};

/** All metrics in one format at one time, whoever asks for them. */
class Rendering {
  readonly plain: Buffer;
  readonly endMs = performance.now();
  #packed: Promise<Buffer> | undefined;

  constructor(text: string, readonly costMs: number) {
    this.plain = Buffer.from(text);
  }

  /** Compressed once, on another thread. */
  packed(): Promise<Buffer> {
    return this.#packed ??= compress(this.plain);
  }

  get ageMs(): number {
    return performance.now() - this.endMs;
  }
}

const compress = promisify(gzip);

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
  readonly body: Uint8Array;
  /** Beside those that every answer has. */
  readonly headers?: Readonly<Record<string, string>>;
}

export const METRICS_PATH = "/metrics";
const JSON_TYPE = "application/json";
const TEXT_TYPE = "text/plain; charset=utf-8";
const UNAVAILABLE = 503;

/** The three pages, and what is said of all other requests. */
export class MetricsPages {
  readonly #parts: MetricsPagesParts;
  readonly #times: PageTimes;
  /** By format: who asks meanwhile gets the same. */
  readonly #underWay = new Map<ExpositionFormat, Promise<Rendering>>();
  readonly #latest = new Map<ExpositionFormat, Rendering>();
  /** The one before ends first: one rendering at a time. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(parts: MetricsPagesParts) {
    this.#parts = parts;
    this.#times = { ...PAGE_TIMES, ...parts.times };
  }

  async answer({ method, target, accept, acceptEncoding }: PageRequest): Promise<Page> {
    const path = pathOf(target);
    const page = [METRICS_PATH, "/healthz", "/readyz"].find((known) => known === path);
    if (page === undefined) {
      const body = Buffer.from("There are /metrics, /healthz and /readyz here\n");
      return { page: "other", status: 404, contentType: TEXT_TYPE, body };
    }
    if (method !== "GET" && method !== "HEAD") {
      const body = Buffer.from("Only GET and HEAD are answered here\n");
      const headers = { Allow: "GET, HEAD" };
      return { page, status: 405, contentType: TEXT_TYPE, body, headers };
    }
    const { health } = this.#parts;
    if (page === "/healthz") return healthPage(page, health.alive());
    if (page === "/readyz") return healthPage(page, health.ready());
    const format = chooseFormat(accept);
    const rendering = await this.#render(format);
    const isPacked = acceptsGzip(acceptEncoding);
    const body = isPacked ? await rendering.packed() : rendering.plain;
    const headers = {
      "Vary": "Accept, Accept-Encoding",
      ...(isPacked && { "Content-Encoding": "gzip" }),
    };
    return { page, status: 200, contentType: CONTENT_TYPES[format], body, headers };
  }

  async #render(format: ExpositionFormat): Promise<Rendering> {
    const { shareFactor, shareMaxMs, waitMs, olderMaxMs } = this.#times;
    const latest = this.#latest.get(format);
    if (latest !== undefined) {
      const shareMs = Math.min(shareMaxMs, shareFactor * latest.costMs);
      if (latest.ageMs < shareMs) return latest;
    }
    const next = this.#underWay.get(format) ?? this.#start(format);
    if (latest === undefined || latest.ageMs + waitMs > olderMaxMs) return await next;
    // Rendering goes on for the next who asks.
    const { promise: waited, resolve } = Promise.withResolvers<undefined>();
    const timer = setTimeout(resolve, waitMs);
    const fresh = await Promise.race([next, waited]).finally(() => clearTimeout(timer));
    if (fresh === undefined) this.#parts.counts.olderPages.value++;
    return fresh ?? latest;
  }

  #start(format: ExpositionFormat): Promise<Rendering> {
    const next = this.#last.then(() => this.#write(format));
    this.#underWay.set(format, next);
    const end = () => void this.#underWay.delete(format);
    this.#last = next.then(end, end);
    return next;
  }

  async #write(format: ExpositionFormat): Promise<Rendering> {
    const { counts } = this.#parts;
    const startMs = performance.now();
    const text = await writeExposition(this.#samples(), format);
    counts.collections.value++;
    const costMs = performance.now() - startMs;
    counts.collectSeconds.value += costMs / 1000;
    const rendering = new Rendering(text, costMs);
    this.#latest.set(format, rendering);
    return rendering;
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

/** The path of a target, without query. */
export function pathOf(target: string): string {
  return target.split("?", 1)[0]!;
}

function healthPage(page: string, { isWell, body }: HealthAnswer): Page {
  return {
    page,
    status: isWell ? 200 : UNAVAILABLE,
    contentType: JSON_TYPE,
    body: Buffer.from(`${JSON.stringify(body)}\n`),
    headers: { "Cache-Control": "no-store" },
  };
}
