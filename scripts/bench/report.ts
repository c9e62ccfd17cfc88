/**
 * Prints what was measured: a table for people, one JSON object for programs.
 *
 * @module
 */
import { isMet, type Measurement, type Skipped } from "./measurement.ts";

/** What the numbers were measured on. */
export interface Machine {
  readonly kernel: string;
  readonly cpus: number;
  readonly cpuModel: string;
  readonly memoryMb: number;
  readonly deno: string;
  readonly commit: string;
  /** Load of the last minute before the run: above 0.5 other work disturbs the numbers. */
  readonly load: number;
}

/** Everything one run found. */
export interface Report {
  readonly machine: Machine;
  readonly measurements: readonly Measurement[];
  readonly skipped: readonly Skipped[];
}

const COLUMNS = ["bench", "what", "measured", "min .. max", "target", "met", "compare"];

/** One line that says what machine this is. */
export function formatMachine(machine: Machine): string {
  return `kernel ${machine.kernel}, ${machine.cpus} CPUs (${machine.cpuModel}), ` +
    `${machine.memoryMb} MB, load ${machine.load.toFixed(1)}, Deno ${machine.deno}, ` +
    `shrike ${machine.commit}`;
}

/** The table, machine first. */
export function formatTable(report: Report): string {
  const rows = [COLUMNS, ...report.measurements.map(tableRow)];
  const widths = COLUMNS.map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  const lines = rows.map((row) => row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join("  "));
  const skipped = report.skipped.map((entry) => `not measured: ${entry.bench}: ${entry.reason}`);
  return [formatMachine(report.machine), "", ...lines, ...skipped]
    .map((line) => line.trimEnd()).join("\n");
}

/** The same as one JSON object; `met` is null where there is no target. */
export function formatJson(report: Report): string {
  const measurements = report.measurements.map((measurement) => ({
    ...measurement,
    met: isMet(measurement) ?? null,
  }));
  return JSON.stringify({ ...report, measurements }, null, 2);
}

function tableRow(measurement: Measurement): string[] {
  const { bench, what, measured, unit, target, reference } = measurement;
  const range = measurement.spread;
  return [
    bench,
    what,
    `${formatNumber(measured)} ${unit}`.trimEnd(),
    range === undefined ? "" : `${formatNumber(range[0])} .. ${formatNumber(range[1])}`,
    target === undefined
      ? ""
      : "atLeast" in target
      ? `>= ${target.atLeast}`
      : `<= ${target.atMost}`,
    { true: "yes", false: "NO", undefined: "" }[`${isMet(measurement)}`] ?? "",
    reference ?? "",
  ];
}

/** Three significant digits, counts whole. */
export function formatNumber(value: number): string {
  if (Number.isInteger(value)) return String(value);
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toFixed(Math.min(digits, 4));
}
