/**
 * What is told at one scrape.
 *
 * @module
 */
import type { Sample } from "../telemetry/mod.ts";

/** Where samples come from. Asked once per scrape, on the main thread: keep it cheap. */
export interface SampleSource {
  /** For the counter of failures: a word. */
  readonly name: string;
  /** May throw: the others are told all the same. */
  collect(): Iterable<Sample>;
}

/** Longer values of labels are cut: names of units and pods have at most 253 characters. */
const LABEL_LENGTH_MAX = 256;
const CUT_MARK = "…";

/** A value of a label: valid UTF-8 (no lone surrogates), without controls, and bounded. */
export function labelValue(text: string): string {
  // deno-lint-ignore no-control-regex
  const clean = text.toWellFormed().replace(/[\0-\x1f\x7f]/g, "\u{fffd}");
  if (clean.length <= LABEL_LENGTH_MAX) return clean;
  const cut = clean.slice(0, LABEL_LENGTH_MAX - CUT_MARK.length);
  // A pair that was cut in two loses its half.
  return `${cut.isWellFormed() ? cut : cut.slice(0, -1)}${CUT_MARK}`;
}

/** A gauge without labels. */
export function gauge(name: string, help: string, value: number): Sample {
  return { name, kind: "gauge", help, labels: {}, value };
}

/** A counter without labels. */
export function counter(name: string, help: string, value: number): Sample {
  return { name, kind: "counter", help, labels: {}, value };
}
