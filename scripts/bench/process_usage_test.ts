import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";

import { parseCpuUsage, perfRingSize, readMemoryUsage } from "./process_usage.ts";

Deno.test("parseCpuUsage() survives a name with spaces and parentheses", () => {
  const stat = "7 (a b) c) S 1 7 7 0 -1 4194560 1 2 3 4 123 45 6 7 20 0 1 0 100 1 1";
  deepStrictEqual(parseCpuUsage(stat), { userMs: 1230, systemMs: 450 });
});

Deno.test("perfRingSize() adds up the mappings of perf events only", () => {
  const maps = [
    "7f0000000000-7f0000041000 rw-s 00000000 00:0f 12  anon_inode:[perf_event]",
    "7f0000100000-7f0000141000 rw-s 00000000 00:0f 12  anon_inode:[perf_event]",
    "7f0000200000-7f0000201000 rw-p 00000000 00:00 0   [heap]",
    "",
  ].join("\n");
  strictEqual(perfRingSize(maps), 2 * 0x41000);
});

Deno.test("readMemoryUsage() sees the memory of this process", async () => {
  const usage = await readMemoryUsage(Deno.pid);
  ok(usage.resident > 10e6);
  ok(usage.anonymous < usage.resident);
});
