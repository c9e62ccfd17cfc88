import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { AUTO_WORKERS_MAX, groupCpus, workerLimit } from "./cpu_groups.ts";

Deno.test("groupCpus() gives each CPU a worker up to the limit", () => {
  deepStrictEqual(groupCpus([1, 0], 16), [[0], [1]]);
  deepStrictEqual(groupCpus([], 16), []);
});

Deno.test("groupCpus() spreads more CPUs evenly and keeps neighbours together", () => {
  deepStrictEqual(groupCpus([0, 1, 2, 3, 4], 2), [[0, 1], [2, 3, 4]]);
  for (const count of [17, 64, 100, 511]) {
    const cpus = Array.from({ length: count }, (_, cpu) => cpu);
    const groups = groupCpus(cpus, AUTO_WORKERS_MAX);
    strictEqual(groups.length, AUTO_WORKERS_MAX);
    deepStrictEqual(groups.flat(), cpus);
    const sizes = groups.map((group) => group.length);
    ok(Math.max(...sizes) - Math.min(...sizes) <= 1);
  }
});

Deno.test("workerLimit() refuses what is no number of workers", () => {
  strictEqual(workerLimit("auto"), AUTO_WORKERS_MAX);
  strictEqual(workerLimit(3), 3);
  for (const workers of [0, -1, 1.5, NaN]) throws(() => workerLimit(workers), RangeError);
});
