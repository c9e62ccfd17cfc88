/**
 * What workloads do, as a table for people and as a JSON line.
 *
 * @module
 */
import { amountText, cutToColumns, terminalString, workloadJson } from "../export/mod.ts";
import type { NetworkState, TrafficOwner } from "../network/mod.ts";
import { formatList, type TextColumn, type TextLook } from "./text_list.ts";
import { isActive, sortRates, type TrafficInterval, type TrafficRate } from "./traffic_rates.ts";
import type { TrafficSort } from "./traffic_rates.ts";
import { workloadText } from "./workload_text.ts";

/** One interval with what is shown beside it. */
export interface TopPage {
  readonly time: Date;
  readonly interval: TrafficInterval;
  /** Rows that were chosen are among the rates, no others. */
  readonly sort: TrafficSort;
  readonly state: NetworkState;
}

const YELLOW = "\x1b[33m";
const RESET = "\x1b[0m";
/** Narrower windows show no packets: the names need the room. */
const PACKETS_COLUMNS_MIN = 76;
const PERCENT = 100;
const NONE = "-";

/** Lines of a page: a headline, what is wrong if something is, titles, a row for each workload. */
export function topLines(page: TopPage, look: TextLook): string[] {
  const { interval, sort, state } = page;
  const active = sortRates(interval.rates.filter(isActive), sort);
  const warning = stateWords(state);
  const paint = (text: string) => look.color ? `${YELLOW}${text}${RESET}` : text;
  const cut = (text: string) =>
    look.columns === undefined ? text : cutToColumns(text, look.columns);
  const table = formatList({
    columns: columnsOf(active, look.columns ?? Infinity),
    title: "WORKLOAD",
    texts: active.map(nameText),
  }, look);
  return [
    cut(headline(page, active.length)),
    ...warning === "" ? [] : [paint(cut(warning))],
    ...table.replace(/\n$/, "").split("\n"),
  ];
}

/** One object with its line feed; rates are numbers, sums of 64 bits strings. */
export function topJson({ time, interval, sort, state }: TopPage): string {
  const { intervalNs, rates, programs } = interval;
  const head = JSON.stringify({
    time: time.toISOString(),
    interval_ns: String(intervalNs),
    state,
    ...(programs !== undefined && {
      programs: { cpu_share: programs.cpuShare, runs_per_second: programs.runsPerSecond },
    }),
  });
  return `${head.slice(0, -1)},"workloads":[${sortRates(rates, sort).map(rowJson).join(",")}]}\n`;
}

function rowJson(rate: TrafficRate): string {
  const { owner, key, workload, connections } = rate.traffic;
  const row = JSON.stringify({
    ...{ owner, key },
    bytes_received_per_second: rate.bytesReceived,
    bytes_sent_per_second: rate.bytesSent,
    packets_received_per_second: rate.packetsReceived,
    packets_sent_per_second: rate.packetsSent,
    execs_per_second: rate.execs,
    ...(connections !== undefined && { connections }),
  });
  return workload === undefined ? row : `${row.slice(0, -1)},"workload":${workloadJson(workload)}}`;
}

/** `12:00:01  2 of 40 workloads active  in 1.2 KiB/s  out 3.4 MiB/s  BPF 0.21 % of a CPU`. */
function headline({ time, interval: { rates, programs } }: TopPage, activeCount: number): string {
  const sum = (amount: (rate: TrafficRate) => number) =>
    rates.reduce((total, rate) => total + amount(rate), 0);
  return [
    time.toTimeString().slice(0, "HH:MM:SS".length),
    `${activeCount} of ${rates.length} rows active`,
    `in ${byteRate(sum(({ bytesReceived }) => bytesReceived))}`,
    `out ${byteRate(sum(({ bytesSent }) => bytesSent))}`,
    programs === undefined
      ? "BPF ? (--bpf-stats)"
      : `BPF ${(programs.cpuShare * PERCENT).toFixed(2)} % of a CPU`,
  ].join("  ");
}

function stateWords({ state, reason = "", hint = "" }: NetworkState): string {
  if (state === "ok") return "";
  const words = state === "off" ? "Traffic is not counted" : "Traffic may be another workload's";
  const why = reason === "" ? "" : `: ${reason}`;
  return terminalString(hint === "" ? words + why : `${words}${why} (${hint})`);
}

function columnsOf(rates: readonly TrafficRate[], width: number): TextColumn[] {
  const column = (title: string, cell: (rate: TrafficRate) => string): TextColumn => ({
    ...{ title, cells: rates.map(cell), isNumber: true },
  });
  const packets = width < PACKETS_COLUMNS_MIN ? [] : [
    column("PKTS IN", ({ packetsReceived }) => rateText(packetsReceived)),
    column("PKTS OUT", ({ packetsSent }) => rateText(packetsSent)),
  ];
  return [
    column("IN", ({ bytesReceived }) => byteRate(bytesReceived)),
    column("OUT", ({ bytesSent }) => byteRate(bytesSent)),
    ...packets,
    column("CONNS", ({ traffic: { connections } }) => String(connections ?? NONE)),
    column("EXECS", ({ execs }) => rateText(execs)),
  ];
}

const SUM_NAMES: Readonly<Record<Exclude<TrafficOwner, "workload">, string>> = {
  ended: "(workloads that have ended)",
  unknown: "(not known whose)",
  other: "(workloads that found no room)",
};

function nameText({ traffic: { owner, workload, key } }: TrafficRate): string {
  if (owner !== "workload") return SUM_NAMES[owner];
  return workload === undefined ? terminalString(key) : workloadText(workload);
}

function byteRate(perSecond: number): string {
  return `${amountText(perSecond)}/s`;
}

/** `0`, `0.4`, `12`, `3,400`. */
function rateText(perSecond: number): string {
  if (perSecond === 0) return "0";
  if (perSecond < 0.1) return "<0.1";
  if (perSecond < 10) return (Math.floor(perSecond * 10) / 10).toFixed(1);
  return Math.floor(perSecond).toLocaleString("en-US");
}
