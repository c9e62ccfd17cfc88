/**
 * What was asked over the control socket, and what could not be.
 *
 * @module
 */
import type { Refusal } from "../http/mod.ts";
import type { Counter, Counters } from "../telemetry/mod.ts";

/** Counters of one server. */
export class ControlCounts {
  /** Bytes that are no HTTP. */
  readonly malformed: Counter;
  /** Clients that took too long to ask or to take the answer. */
  readonly timeouts: Counter;
  readonly refusedConnections: Counter;
  readonly displacedConnections: Counter;
  readonly failedConnections: Counter;
  readonly #counters: Counters;

  constructor(counters: Counters) {
    this.#counters = counters;
    this.malformed = counters.counter(
      "shrike_api_malformed_total",
      "Connections of the control socket that did not speak HTTP",
    );
    this.timeouts = counters.counter(
      "shrike_api_timeouts_total",
      "Clients of the control socket that took too long",
    );
    this.refusedConnections = counters.counter(
      "shrike_api_refused_connections_total",
      "Connections of the control socket beyond the limit",
    );
    this.displacedConnections = counters.counter(
      "shrike_api_displaced_connections_total",
      "Connections of the control socket that were closed to make room for another",
    );
    this.failedConnections = counters.counter(
      "shrike_api_failed_connections_total",
      "Connections of the control socket that the kernel could not hand over",
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

  /** @param route name of the table, so the labels are bounded */
  request(route: string, status: number): void {
    this.#counters.counter(
      "shrike_api_requests_total",
      "Requests over the control socket by what was asked and how it went",
      { route, result: resultOf(status) },
    ).value++;
  }
}

const REFUSED = 400;
const FAILED = 500;

function resultOf(status: number): string {
  return status < REFUSED ? "ok" : status < FAILED ? "refused" : "failed";
}
