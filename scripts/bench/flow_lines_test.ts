import { deepStrictEqual } from "node:assert/strict";
import { sumFlows } from "./flow_lines.ts";

const line = (pid: number, sent: number, received: number, connections = 1) =>
  JSON.stringify({
    flow: {
      process: { pid },
      connections,
      traffic: { bytes_sent: `${sent}`, bytes_received: `${received}` },
    },
  });

Deno.test("sumFlows() adds up the flows of the given processes only", () => {
  const other = JSON.stringify({
    flow: { other: true, connections: 1, traffic: { bytes_sent: "7", bytes_received: "7" } },
  });
  const lines = [line(1, 10, 20), line(2, 1, 2, 3), line(3, 100, 100), other, '{"gap":{}}', ""];
  const total = sumFlows(lines, new Set([1, 2]));
  deepStrictEqual(total, { rows: 2, connections: 4, sent: 11, received: 22, others: 1 });
  deepStrictEqual(sumFlows([line(2, 5, 6)], new Set([1, 2]), total), {
    ...{ rows: 3, connections: 5, sent: 16, received: 28, others: 1 },
  });
});
