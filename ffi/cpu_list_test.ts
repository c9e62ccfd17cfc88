import { deepStrictEqual, throws } from "node:assert/strict";
import { CpuListError, parseCpuList, readCpuList } from "./cpu_list.ts";

Deno.test("parseCpuList() reads ranges and single CPUs", () => {
  deepStrictEqual(parseCpuList("0-3,8,10-11\n"), [0, 1, 2, 3, 8, 10, 11]);
  deepStrictEqual(parseCpuList("0"), [0]);
  deepStrictEqual(parseCpuList("\n"), []);
});

Deno.test("parseCpuList() refuses what is no list", () => {
  for (const text of ["a", "3-1", "0-", "-1", "0-99999999", "1;2"]) {
    throws(() => parseCpuList(text), RangeError);
  }
});

Deno.test("readCpuList() says which file is missing and what to mount", () => {
  throws(() => readCpuList("/nonexistent/online"), (error: unknown) => {
    const { message, hint } = error as CpuListError;
    return error instanceof CpuListError && message.includes('"/nonexistent/online"') &&
      hint.includes("mount");
  });
});
