/**
 * What was asked of the metrics endpoint, and what could not be.
 *
 * @module
 */
import type { Refusal } from "../http/mod.ts";
import type { Counter, Counters } from "../telemetry/mod.ts";

/** Counters of one endpoint. */
export class MetricsCounts {
  readonly malformed: Counter;
  readonly timeouts: Counter;
  readonly refusedConnections: Counter;
  readonly displacedConnections: Counter;
  readonly failedConnections: Counter;
  readonly olderPages: Counter;
  readonly collections: Counter;
  readonly collectSeconds: Counter;
  readonly #counters: Counters;

  constructor(counters: Counters) {
    this.#counters = counters;
    this.malformed = counters.counter(
      "shrike_metrics_malformed_total",
      "Connections of the metrics endpoint that did not speak HTTP",
    );
    this.timeouts = counters.counter(
      "shrike_metrics_timeouts_total",
      "Clients of the metrics endpoint that took too long to ask or to take the answer",
    );
    this.refusedConnections = counters.counter(
      "shrike_metrics_refused_connections_total",
      "Connections of the metrics endpoint beyond the limit",
    );
    this.displacedConnections = counters.counter(
      "shrike_metrics_displaced_connections_total",
      "Connections of the metrics endpoint that were closed to make room for another",
    );
    this.olderPages = counters.counter(
      "shrike_metrics_older_pages_total",
      "Answers with the page before because a new one took too long",
    );
    this.failedConnections = counters.counter(
      "shrike_metrics_failed_connections_total",
      "Connections of the metrics endpoint that the kernel could not hand over",
    );
    this.collections = counters.counter(
      "shrike_metrics_collections_total",
      "Times that all metrics were collected",
    );
    this.collectSeconds = counters.counter(
      "shrike_metrics_collect_seconds_total",
      "Time from the first source to the finished text",
    );
  }

  /** A client was turned away. */
  refusal(refusal: Refusal): void {
    const counter = {
      ...{ malformed: this.malformed, slow: this.timeouts, refused: this.refusedConnections },
      ...{ displaced: this.displacedConnections, failed: this.failedConnections },
    };
    counter[refusal].value++;
  }

  /** @param page of the table, so the labels are bounded */
  request(page: string, status: number): void {
    this.#counters.counter(
      "shrike_metrics_requests_total",
      "Requests to the metrics endpoint by what was asked and how it went",
      { page, status: String(status) },
    ).value++;
  }

  /** A source threw: its samples are missing from that scrape. */
  sourceFailed(source: string): void {
    this.#counters.counter(
      "shrike_metrics_source_failures_total",
      "Times that a source of metrics could not be read",
      { source },
    ).value++;
  }
}
