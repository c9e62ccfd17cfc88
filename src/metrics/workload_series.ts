/**
 * Series by workload, within a budget.
 *
 * A series belongs to a set of labels, and several workloads may have the same: a container that
 * was started anew, two of one name. So series are fed with what their workloads have done since
 * the last scrape, and never go back, whatever workloads come, go and change their names. What
 * finds no room in the budget feeds the series `other`; what workloads have done that are gone, and
 * whose series is gone, is in `ended`. The sum over all is what was counted, at any time.
 *
 * @module
 */
import type { Labels, Sample } from "../telemetry/mod.ts";
import { gauge } from "./sample.ts";
import {
  type Cell,
  CELLS,
  CONNECTIONS,
  type Owner,
  RUNNING_CELLS,
  valuesOf,
  type WorkloadLabels,
  type WorkloadReading,
} from "./workload_cells.ts";

/** What the series are made from. */
export interface WorkloadSeriesOptions {
  /** Workloads, and then the sums `ended`, `unknown` and `other`. */
  read(): readonly WorkloadReading[];
  /** Series by workload at most; those of the sums come on top. */
  readonly seriesMax: number;
}

/** One set of labels. */
interface Series {
  readonly labels: WorkloadLabels;
  /** By cell; undefined: no series of that cell. */
  readonly cells: (bigint | undefined)[];
  /** Labels by cell, made when they are first told. */
  readonly told: (Labels | undefined)[];
  /** As of this scrape. */
  connections: number | undefined;
  /** Workloads that feed it now. */
  feeders: number;
  /** It was told once more after the last feeder had gone. */
  isLast: boolean;
}

/** What is known of one workload. */
interface Feeder {
  values: readonly bigint[];
  series: Series;
  /** Number of the scrape that last had it. */
  scrape: number;
}

const ZEROS: readonly bigint[] = RUNNING_CELLS.map(() => 0n);

/** A source of samples; each `collect()` is a scrape. */
export class WorkloadSeries {
  readonly name = "workloads";
  readonly #options: WorkloadSeriesOptions;
  readonly #series = new Map<string, Series>();
  readonly #feeders = new Map<string, Feeder>();
  /** By owner that is no workload. */
  readonly #sums = new Map<Exclude<Owner, "workload">, bigint[]>();
  /** Fed by workloads without a series of their own. */
  readonly #beyond = [...ZEROS];
  #scrape = 0;
  #used = 0;
  #refused = 0;

  constructor(options: WorkloadSeriesOptions) {
    this.#options = options;
    for (const owner of ["ended", "unknown", "other"] as const) this.#sums.set(owner, [...ZEROS]);
  }

  /** Series by workload that there are. */
  get used(): number {
    return this.#used;
  }

  collect(): Sample[] {
    this.#scrape += 1;
    this.#refused = 0;
    const readings = this.#options.read().map((reading) => ({
      ...{ reading, values: valuesOf(reading) },
      key: JSON.stringify(reading.labels),
    }));
    this.#dropEnded(new Set(readings.map(({ key }) => key)));
    for (const series of this.#series.values()) series.connections = undefined;
    const total = [...ZEROS];
    const rest = new Map<Owner, readonly bigint[]>();
    let otherConnections = 0;
    for (const { reading, values, key } of readings) {
      add(total, values);
      if (reading.owner !== "workload") rest.set(reading.owner, values);
      else otherConnections += this.#feed(reading, values, this.#seriesOf(key, reading.labels));
    }
    this.#release();
    this.#sum(total, rest);
    return [...this.#samples(otherConnections), ...this.#ownSamples()];
  }

  /** Series that were told once more at the last scrape, unless a workload has them again. */
  #dropEnded(wanted: ReadonlySet<string>): void {
    for (const [key, series] of this.#series) {
      if (!series.isLast || wanted.has(key)) continue;
      this.#series.delete(key);
      this.#used -= series.cells.filter((cell) => cell !== undefined).length;
    }
  }

  /** @returns connections that go to `other` */
  #feed(reading: WorkloadReading, values: readonly bigint[], series: Series): number {
    const before = this.#feeders.get(reading.key);
    // Numbers that went back are those of another workload with the same key.
    const isSame = before !== undefined && values.every((value, i) => value >= before.values[i]!);
    const since = isSame ? before.values : ZEROS;
    if (before === undefined) series.feeders += 1;
    else if (before.series !== series) {
      before.series.feeders -= 1;
      series.feeders += 1;
    }
    series.isLast = false;
    this.#feeders.set(reading.key, { values, series, scrape: this.#scrape });
    values.forEach((value, cell) => this.#addTo(series, cell, value - since[cell]!));
    return this.#connect(series, reading.connections);
  }

  #seriesOf(key: string, labels: WorkloadLabels): Series {
    let series = this.#series.get(key);
    if (series === undefined) {
      const [cells, told] = [CELLS.map(() => undefined), CELLS.map(() => undefined)];
      series = { labels, cells, told, connections: undefined, feeders: 0, isLast: false };
      this.#series.set(key, series);
    }
    return series;
  }

  /** A cell that was never fed has no series, so that silent protocols cost nothing. */
  #addTo(series: Series, cell: number, added: bigint): void {
    const value = series.cells[cell];
    if (value !== undefined) {
      series.cells[cell] = value + added;
    } else if (added > 0n) {
      if (this.#takeRoom()) series.cells[cell] = added;
      else this.#beyond[cell] = this.#beyond[cell]! + added;
    }
  }

  #connect(series: Series, connections: number | undefined): number {
    if (connections === undefined) return 0;
    if (series.cells[CONNECTIONS] === undefined) {
      if (connections === 0) return 0;
      if (!this.#takeRoom()) return connections;
      series.cells[CONNECTIONS] = 0n;
    }
    series.connections = (series.connections ?? 0) + connections;
    return 0;
  }

  #takeRoom(): boolean {
    if (this.#used >= this.#options.seriesMax) {
      this.#refused += 1;
      return false;
    }
    this.#used += 1;
    return true;
  }

  /** Workloads that are gone feed no longer; a series without feeders is told this once more. */
  #release(): void {
    for (const [key, { series, scrape }] of this.#feeders) {
      if (scrape === this.#scrape) continue;
      this.#feeders.delete(key);
      series.feeders -= 1;
    }
    for (const [key, series] of this.#series) {
      if (series.feeders > 0) continue;
      // Without a cell there is nothing to be told.
      if (series.cells.every((cell) => cell === undefined)) this.#series.delete(key);
      series.isLast = true;
    }
  }

  /** `ended` is what no other series has, so that the sum is what was counted. */
  #sum(total: readonly bigint[], rest: ReadonlyMap<Owner, readonly bigint[]>): void {
    const other = [...this.#beyond];
    add(other, rest.get("other") ?? ZEROS);
    const unknown = rest.get("unknown") ?? ZEROS;
    const ended = [...total];
    for (const { cells } of this.#series.values()) subtract(ended, cells);
    subtract(ended, other);
    subtract(ended, unknown);
    raise(this.#sums.get("ended")!, ended);
    raise(this.#sums.get("unknown")!, unknown);
    raise(this.#sums.get("other")!, other);
  }

  *#samples(otherConnections: number): Generator<Sample> {
    for (const { labels, cells, told, connections } of this.#series.values()) {
      for (let i = 0; i < cells.length; i++) {
        const [cell, value] = [CELLS[i]!, cells[i]];
        if (value === undefined) continue;
        const number = i === CONNECTIONS ? connections ?? 0 : Number(value);
        yield sampleOf(cell, told[i] ??= cell.labelsOf(labels), number);
      }
    }
    for (const [owner, values] of this.#sums) {
      const labels = labelsOfSum(owner);
      for (const [i, value] of values.entries()) {
        const cell = CELLS[i]!;
        if (value > 0n) yield sampleOf(cell, cell.labelsOf(labels), Number(value));
      }
      if (owner === "other" && otherConnections > 0) {
        yield sampleOf(CELLS[CONNECTIONS]!, labels, otherConnections);
      }
    }
  }

  *#ownSamples(): Generator<Sample> {
    yield gauge(
      "shrike_metrics_workload_series",
      "Series by workload that there are",
      this.#used,
    );
    yield gauge(
      "shrike_metrics_workload_series_limit",
      "Series by workload at most (--metrics-series)",
      this.#options.seriesMax,
    );
    yield gauge(
      "shrike_metrics_workload_series_refused",
      "Series that would have been new at this scrape and went to the workload other",
      this.#refused,
    );
  }
}

function sampleOf({ name, help, kind }: Cell, labels: Labels, value: number): Sample {
  return { name, help, kind, labels, value };
}

function labelsOfSum(owner: string): WorkloadLabels {
  return { workload_kind: owner, workload: owner, pod: "", namespace: "", container: "" };
}

function add(sums: bigint[], values: readonly bigint[]): void {
  for (let i = 0; i < sums.length; i++) sums[i] = sums[i]! + values[i]!;
}

function subtract(sums: bigint[], values: readonly (bigint | undefined)[]): void {
  for (let i = 0; i < sums.length; i++) sums[i] = sums[i]! - (values[i] ?? 0n);
}

/** A counter does not go back, whatever it was given. */
function raise(sums: bigint[], values: readonly bigint[]): void {
  for (let i = 0; i < sums.length; i++) if (values[i]! > sums[i]!) sums[i] = values[i]!;
}
