import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";

import { median, quantile, spread } from "./statistics.ts";

Deno.test("quantile() takes the nearest rank", () => {
  const samples = Array.from({ length: 200 }, (_, i) => 200 - i);
  strictEqual(quantile(samples, 0.5), 100);
  strictEqual(quantile(samples, 0.99), 198);
  strictEqual(quantile(samples, 1), 200);
  strictEqual(quantile(samples, 0), 1);
});

Deno.test("quantile() refuses an empty list", () => {
  throws(() => quantile([], 0.5), RangeError);
});

Deno.test("median() is the middle or the mean of the two middle samples", () => {
  strictEqual(median([9, 1, 5]), 5);
  strictEqual(median([4, 1, 2, 3]), 2.5);
  strictEqual(median([7]), 7);
});

Deno.test("spread() is smallest and largest", () => {
  deepStrictEqual(spread([3, 1, 2]), [1, 3]);
});
