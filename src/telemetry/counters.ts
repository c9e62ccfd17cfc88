/**
 * Counters and gauges of every room, named for Prometheus. Handles are plain objects, so counting
 * on the hot path is one addition.
 *
 * @module
 */

/** A number that only grows. Hot code may add to `value` directly. */
export interface Counter {
  value: number;
}

/** Label names to values; keep the sets small and bounded. */
export type Labels = Readonly<Record<string, string>>;

/** One series at the moment of the snapshot. */
export interface Sample {
  readonly name: string;
  readonly kind: "counter" | "gauge";
  readonly help: string;
  readonly labels: Labels;
  readonly value: number;
}

interface Series {
  readonly name: string;
  readonly kind: "counter" | "gauge";
  readonly help: string;
  readonly labels: Labels;
  read(): number;
}

/** Series one registry holds at most; beyond it `counter()` hands out the overflow counter. */
const SERIES_MAX = 4096;

/** All series of one agent. */
export class Counters {
  readonly #series = new Map<string, Series>();
  readonly #counters = new Map<string, Counter>();
  readonly #overflow: Counter = { value: 0 };

  constructor() {
    this.counterOf(
      "shrike_telemetry_series_overflow_total",
      "Additions to series beyond the limit",
      {},
      () => this.#overflow.value,
    );
  }

  /** The counter of that name and those labels; the same handle for the same arguments. */
  counter(name: string, help: string, labels: Labels = {}): Counter {
    const key = seriesKey(name, labels);
    const known = this.#counters.get(key);
    if (known !== undefined) return known;
    if (this.#series.size >= SERIES_MAX) return this.#overflow;
    const counter: Counter = { value: 0 };
    this.#counters.set(key, counter);
    this.#series.set(key, { name, kind: "counter", help, labels, read: () => counter.value });
    return counter;
  }

  /** A counter that somebody else keeps, such as the kernel; otherwise as `gauge()`. */
  counterOf(name: string, help: string, labels: Labels, read: () => number): void {
    this.#series.set(seriesKey(name, labels), { name, kind: "counter", help, labels, read });
  }

  /** A value read at the time of the snapshot; a second call of one name and labels replaces. */
  gauge(name: string, help: string, labels: Labels, read: () => number): void {
    this.#series.set(seriesKey(name, labels), { name, kind: "gauge", help, labels, read });
  }

  /** All series, sorted by name and labels. What cannot be read is NaN: the others are told. */
  snapshot(): Sample[] {
    return [...this.#series.entries()]
      .sort(([a], [b]) => a < b ? -1 : 1)
      .map(([, { name, kind, help, labels, read }]) => ({
        name,
        kind,
        help,
        labels,
        value: valueOf(read),
      }));
  }

  /** Sum over all series of one name. */
  total(name: string): number {
    let sum = 0;
    for (const series of this.#series.values()) if (series.name === name) sum += series.read();
    return sum;
  }
}

/** A read fails when its owner has just ended, such as a map of the kernel while we stop. */
function valueOf(read: () => number): number {
  try {
    return read();
  } catch {
    return Number.NaN;
  }
}

function seriesKey(name: string, labels: Labels): string {
  return `${name}{${
    Object.keys(labels).sort().map((label) => `${label}=${labels[label]}`).join(",")
  }}`;
}
