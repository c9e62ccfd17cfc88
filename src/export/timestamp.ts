/**
 * Times as text. Events come close together, so the part down to the second is kept.
 *
 * @module
 */

const SECOND_NS = 1_000_000_000n;
/** The years 0001 to 9999, as in a protobuf Timestamp; times outside are shown as the nearest. */
const EARLIEST_NS = -62_135_596_800n * SECOND_NS;
const LATEST_NS = 253_402_300_800n * SECOND_NS - 1n;

/** Formats ns since the epoch; one instance per stream of nearby times. */
class SecondCache {
  #secondNs = 0n;
  #text: string;
  readonly #format: (secondMs: number) => string;

  /** `format` makes the text down to the second. */
  constructor(format: (secondMs: number) => string) {
    this.#format = format;
    this.#text = format(0);
  }

  /** ns within the second; `text` is then the part before it. */
  split(timeNs: bigint): number {
    const within = Number(timeNs - this.#secondNs);
    if (within >= 0 && within < 1e9) return within;
    return this.#moveTo(timeNs);
  }

  get text(): string {
    return this.#text;
  }

  #moveTo(timeNs: bigint): number {
    const time = timeNs < EARLIEST_NS ? EARLIEST_NS : timeNs > LATEST_NS ? LATEST_NS : timeNs;
    let within = time % SECOND_NS;
    if (within < 0n) within += SECOND_NS;
    this.#secondNs = time - within;
    this.#text = this.#format(Number(this.#secondNs / 1_000_000n));
    return Number(within);
  }
}

/** RFC 3339 in UTC with nine digits of fraction: `2026-01-31T23:59:59.000000001Z`. */
export class Rfc3339Format {
  readonly #second = new SecondCache((ms) => new Date(ms).toISOString().slice(0, 20));

  format(timeNs: bigint): string {
    const within = this.#second.split(timeNs);
    return `${this.#second.text}${String(within).padStart(9, "0")}Z`;
  }
}

/** Time of day with ms for people: `23:59:59.000`. */
export class TimeOfDayFormat {
  readonly #second: SecondCache;

  /** `utc`: not in the local time zone. */
  constructor(utc: boolean) {
    this.#second = new SecondCache(utc ? utcTimeOfDay : localTimeOfDay);
  }

  format(timeNs: bigint): string {
    const within = this.#second.split(timeNs);
    return `${this.#second.text}.${String(Math.floor(within / 1e6)).padStart(3, "0")}`;
  }
}

function utcTimeOfDay(ms: number): string {
  return new Date(ms).toISOString().slice(11, 19);
}

function localTimeOfDay(ms: number): string {
  const date = new Date(ms);
  return [date.getHours(), date.getMinutes(), date.getSeconds()]
    .map((part) => String(part).padStart(2, "0")).join(":");
}

/** A span for people: `950 us`, `12.3 ms`, `4.5 s`, `2 h 05 min`, `3 d 04 h`; negative is 0. */
export function formatSpan(spanNs: bigint): string {
  const us = spanNs <= 0n ? 0 : Number(spanNs / 1000n);
  if (us < 1000) return `${us} us`;
  if (us < 1e6) return `${scaled(us, 1e3)} ms`;
  if (us < 60e6) return `${scaled(us, 1e6)} s`;
  const minutes = Math.floor(us / 60e6);
  const seconds = Math.floor(us / 1e6) % 60;
  if (minutes < 60) return `${minutes} min ${pad2(seconds)} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours} h ${pad2(minutes % 60)} min`;
  return `${Math.floor(hours / 24)} d ${pad2(hours % 24)} h`;
}

/** One decimal, rounded down so that 999.99 does not become 1000.0. */
function scaled(value: number, unit: number): string {
  return (Math.floor(value / unit * 10) / 10).toFixed(1);
}

function pad2(value: number): string {
  return String(value).padStart(2, "0");
}
