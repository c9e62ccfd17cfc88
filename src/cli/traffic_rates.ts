/**
 * What was done per second between two readings of the agent.
 *
 * @module
 */
import type { Config } from "../config/mod.ts";
import {
  type ProgramTime,
  sumTraffic,
  type TrafficReading,
  type WorkloadTraffic,
} from "../network/mod.ts";

/** What rows may be sorted by. */
export type TrafficSort = Config["topSort"];

/** What one row did, all per second. */
export interface TrafficRate {
  /** As it was at the end. */
  readonly traffic: WorkloadTraffic;
  readonly bytesReceived: number;
  readonly bytesSent: number;
  readonly packetsReceived: number;
  readonly packetsSent: number;
  readonly execs: number;
}

/** What all rows did between two readings. */
export interface TrafficInterval {
  readonly intervalNs: bigint;
  readonly rates: readonly TrafficRate[];
  /** Of the agent's own programs in the kernel, when it measures them. */
  readonly programs?: {
    /** Part of the time of one CPU: 0.01 is one percent. */
    readonly cpuShare: number;
    readonly runsPerSecond: number;
  };
}

const NS_PER_SECOND = 1e9;

/** Sums of one row, ever growing. */
interface Totals {
  readonly bytesReceived: bigint;
  readonly bytesSent: bigint;
  readonly packetsReceived: bigint;
  readonly packetsSent: bigint;
  readonly execs: bigint;
}

const NOTHING: Totals = {
  ...{ bytesReceived: 0n, bytesSent: 0n, packetsReceived: 0n, packetsSent: 0n, execs: 0n },
};

/** A row that was not there before has done all it ever did since. */
export function ratesBetween(before: TrafficReading, after: TrafficReading): TrafficInterval {
  const intervalNs = after.monotonicNs - before.monotonicNs;
  const known = new Map(before.workloads.map((each) => [each.key, totalsOf(each)]));
  const ended = endedBetween(before, after, known);
  const rates = after.workloads.map((traffic) => {
    const now = totalsOf(traffic);
    const then = known.get(traffic.key) ?? NOTHING;
    // What ended brings along all it ever did, which was told when it was done.
    const done = traffic.owner === "ended"
      ? subtract(subtract(now, then), ended)
      : subtract(now, isBehind(now, then) ? NOTHING : then);
    return { traffic, ...perSecond(done, intervalNs) };
  });
  const programs = programsBetween(before.programs, after.programs, intervalNs);
  return { intervalNs, rates, ...(programs !== undefined && { programs }) };
}

/** Most first, rows that have as much by name; sums of more than one workload last. */
export function sortRates(rates: readonly TrafficRate[], sort: TrafficSort): TrafficRate[] {
  const amount = AMOUNTS[sort];
  return rates.toSorted((a, b) => {
    const [isSumA, isSumB] = [isSum(a), isSum(b)];
    if (isSumA !== isSumB) return isSumA ? 1 : -1;
    const difference = amount(b) - amount(a);
    if (difference !== 0) return difference;
    return nameOf(a) < nameOf(b) ? -1 : 1;
  });
}

/** Whether it did anything. Open connections alone are rest. */
export function isActive(rate: TrafficRate): boolean {
  return rate.packetsReceived > 0 || rate.packetsSent > 0 || rate.execs > 0;
}

const AMOUNTS: Readonly<Record<TrafficSort, (rate: TrafficRate) => number>> = {
  traffic: (rate) => rate.bytesReceived + rate.bytesSent,
  received: (rate) => rate.bytesReceived,
  sent: (rate) => rate.bytesSent,
  packets: (rate) => rate.packetsReceived + rate.packetsSent,
  connections: ({ traffic }) => traffic.connections ?? 0,
  execs: (rate) => rate.execs,
  name: () => 0,
};

function isSum({ traffic }: TrafficRate): boolean {
  return traffic.owner !== "workload";
}

function nameOf({ traffic: { workload, key } }: TrafficRate): string {
  return workload === undefined ? key : `${workload.name} ${key}`;
}

/** All that workloads which are not there any more had done by the time of `before`. */
function endedBetween(
  before: TrafficReading,
  after: TrafficReading,
  known: ReadonlyMap<string, Totals>,
): Totals {
  const left = new Set(after.workloads.map(({ key }) => key));
  return before.workloads
    .filter(({ owner, key }) => owner === "workload" && !left.has(key))
    .reduce((sum, { key }) => add(sum, known.get(key) ?? NOTHING), NOTHING);
}

function totalsOf({ counts, execs }: WorkloadTraffic): Totals {
  return { ...sumTraffic(counts), execs: BigInt(execs) };
}

/** The agent was started anew meanwhile, and counts from 0. */
function isBehind(now: Totals, then: Totals): boolean {
  return KEYS.some((key) => now[key] < then[key]);
}

const KEYS = ["bytesReceived", "bytesSent", "packetsReceived", "packetsSent", "execs"] as const;

function add(a: Totals, b: Totals): Totals {
  return combine((key) => a[key] + b[key]);
}

/** Never less than nothing. */
function subtract(a: Totals, b: Totals): Totals {
  return combine((key) => a[key] > b[key] ? a[key] - b[key] : 0n);
}

function combine(value: (key: keyof Totals) => bigint): Totals {
  return {
    bytesReceived: value("bytesReceived"),
    bytesSent: value("bytesSent"),
    packetsReceived: value("packetsReceived"),
    packetsSent: value("packetsSent"),
    execs: value("execs"),
  };
}

function perSecond(done: Totals, intervalNs: bigint): Omit<TrafficRate, "traffic"> {
  const rate = (key: keyof Totals) => rateOf(done[key], intervalNs);
  return {
    bytesReceived: rate("bytesReceived"),
    bytesSent: rate("bytesSent"),
    packetsReceived: rate("packetsReceived"),
    packetsSent: rate("packetsSent"),
    execs: rate("execs"),
  };
}

function rateOf(amount: bigint, intervalNs: bigint): number {
  return intervalNs <= 0n ? 0 : Number(amount) / (Number(intervalNs) / NS_PER_SECOND);
}

function programsBetween(
  before: ProgramTime | undefined,
  after: ProgramTime | undefined,
  intervalNs: bigint,
): TrafficInterval["programs"] {
  if (before === undefined || after === undefined) return undefined;
  const isNew = after.runTimeNs < before.runTimeNs || after.runs < before.runs;
  const then = isNew ? { runTimeNs: 0n, runs: 0n } : before;
  return {
    cpuShare: rateOf(after.runTimeNs - then.runTimeNs, intervalNs) / NS_PER_SECOND,
    runsPerSecond: rateOf(after.runs - then.runs, intervalNs),
  };
}
