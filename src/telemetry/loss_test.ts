import assert from "node:assert/strict";
import { LossLedger } from "./loss.ts";

const AT = { firstNs: 5n, lastNs: 7n };

Deno.test("LossLedger adds up losses of one cause, CPU and kind until they are taken", () => {
  const ledger = new LossLedger();
  ledger.add({ cause: "perf_ring_full", cpu: 1, kind: "process_exec", count: 2, ...AT });
  ledger.add({
    cause: "perf_ring_full",
    cpu: 1,
    kind: "process_exec",
    count: 3,
    firstNs: 1n,
    lastNs: 2n,
  });
  ledger.add({ cause: "perf_ring_full", cpu: 0, kind: "process_exec", count: 1, ...AT });
  ledger.add({ cause: "no_ring", count: 0, ...AT });
  assert.deepEqual(ledger.take(), [
    { cause: "perf_ring_full", cpu: 1, kind: "process_exec", count: 5, firstNs: 1n, lastNs: 7n },
    { cause: "perf_ring_full", cpu: 0, kind: "process_exec", count: 1, ...AT },
  ]);
  assert.deepEqual(ledger.take(), []);
});

Deno.test("LossLedger keeps totals by cause after losses were taken", () => {
  const ledger = new LossLedger();
  ledger.add({ cause: "no_ring", cpu: 1, count: 2, ...AT });
  ledger.take();
  ledger.add({ cause: "no_ring", cpu: 0, count: 3, ...AT });
  ledger.add({ cause: "sink_queue_full", count: 4, ...AT });
  assert.equal(ledger.total, 9);
  assert.deepEqual([...ledger.totals], [["no_ring", 5], ["sink_queue_full", 4]]);
});

Deno.test("LossLedger hands out what was missed earlier and adds it to no total", () => {
  const ledger = new LossLedger();
  const earlier = { cause: "agent_restart", count: 0, ...AT };
  ledger.addEarlier(earlier);
  ledger.add({ cause: "no_ring", count: 2, ...AT });
  assert.deepEqual(ledger.take(), [earlier, { cause: "no_ring", count: 2, ...AT }]);
  assert.equal(ledger.total, 2);
  assert.deepEqual([...ledger.totals], [["no_ring", 2]]);
});

Deno.test("LossLedger counts everything when there are too many kinds of loss", () => {
  const ledger = new LossLedger();
  for (let cpu = 0; cpu < 1000; cpu++) ledger.add({ cause: "no_ring", cpu, count: 1, ...AT });
  const taken = ledger.take();
  assert.ok(taken.length < 300);
  assert.equal(taken.reduce((sum, { count }) => sum + count, 0), 1000);
});
