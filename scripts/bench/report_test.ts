import { deepStrictEqual, match, strictEqual } from "node:assert/strict";

import { isMet, measurementOf } from "./measurement.ts";
import { formatJson, formatNumber, formatTable, type Report } from "./report.ts";

const DETAILS = { bench: "storm", what: "ratio", unit: "" };
const REPORT: Report = {
  machine: {
    kernel: "6.1",
    cpus: 2,
    cpuModel: "test",
    memoryMb: 1,
    deno: "2.9.6",
    commit: "abc",
    load: 0,
  },
  measurements: [
    measurementOf([1.2, 1.1, 1.3], { ...DETAILS, target: { atMost: 1.15 } }),
    measurementOf([0.5], { ...DETAILS, what: "told only" }),
  ],
  skipped: [{ bench: "guest", reason: "no kernel" }],
};

Deno.test("isMet() holds at the limit, on both sides, and is unknown without a target", () => {
  strictEqual(isMet(measurementOf([1.15], { ...DETAILS, target: { atMost: 1.15 } })), true);
  strictEqual(isMet(measurementOf([1.16], { ...DETAILS, target: { atMost: 1.15 } })), false);
  strictEqual(isMet(measurementOf([0.8], { ...DETAILS, target: { atLeast: 0.8 } })), true);
  strictEqual(isMet(measurementOf([0.79], { ...DETAILS, target: { atLeast: 0.8 } })), false);
  strictEqual(isMet(measurementOf([1], DETAILS)), undefined);
});

Deno.test("formatTable() shows a missed target and what was not measured", () => {
  const table = formatTable(REPORT);
  match(table, /storm {2}ratio {6}1\.20 {6}1\.10 \.\. 1\.30 {2}<= 1\.15 {2}NO/);
  match(table, /not measured: guest: no kernel/);
});

Deno.test("formatJson() says met true, false or null", () => {
  const parsed = JSON.parse(formatJson(REPORT)) as { measurements: { met: boolean | null }[] };
  deepStrictEqual(parsed.measurements.map((entry) => entry.met), [false, null]);
});

Deno.test("formatNumber() keeps three significant digits", () => {
  deepStrictEqual(
    [0, 5000, 1.15, 0.0012345, 123.456, 99.44, 0.07].map(formatNumber),
    ["0", "5000", "1.15", "0.0012", "123", "99.4", "0.0700"],
  );
});
