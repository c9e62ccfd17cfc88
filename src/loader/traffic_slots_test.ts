import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import type { BpfMap } from "../../ffi/mod.ts";
import { NETWORK_TRAFFIC_SLOT_SIZE } from "../wire/mod.ts";
import { TrafficSlots, type TrafficSums } from "./traffic_slots.ts";

function bench() {
  const rows = new Map<string, Uint8Array<ArrayBuffer>>();
  const hooks = { beforeLookup: () => {} };
  const map = {
    lookup: (key: Uint8Array) => {
      hooks.beforeLookup();
      return rows.get(key.join())?.slice() ?? new Uint8Array(NETWORK_TRAFFIC_SLOT_SIZE);
    },
    update: (key: Uint8Array, value: Uint8Array<ArrayBuffer>) => void rows.set(key.join(), value),
  } as unknown as BpfMap;
  const clock = { nowMs: 0 };
  const open = () => new TrafficSlots({ map, cpuCount: 1, nowMs: () => clock.nowMs });
  /** What a packet adds: to the first sum of the first line. */
  const add = (slot: number, bytes: bigint) => {
    const row = rows.get(`${slot},0,0,0`)!;
    new BigUint64Array(row.buffer)[0]! += bytes;
  };
  return { slots: open(), open, clock, hooks, add };
}

function noSums(): TrafficSums {
  return { bytes: new BigUint64Array(12), packets: new BigUint64Array(12) };
}

Deno.test("TrafficSlots gives each slot to one workload, and again after a rest", () => {
  const { slots, clock } = bench();
  for (const id of [5n, 261n, 6n, 5n]) slots.give(id);
  deepStrictEqual([...slots.holders()], [5n, 6n]);
  slots.takeBack(noSums(), 261n);
  slots.takeBack(noSums(), 5n);
  slots.give(261n);
  deepStrictEqual([...slots.holders()], [6n]);
  clock.nowMs += 1000;
  slots.give(261n);
  deepStrictEqual([...slots.holders()], [261n, 6n]);
});

Deno.test("TrafficSlots.takeBack() waits until a slot stands still, and counts one that does not", () => {
  const { slots, hooks, add } = bench();
  slots.give(5n);
  let looks = 0;
  hooks.beforeLookup = () => {
    if (looks++ < 4) add(5, 10n);
  };
  const sums = noSums();
  slots.takeBack(sums, 5n);
  deepStrictEqual([sums.bytes[0], looks, slots.tornCount], [40n, 5, 0]);
  slots.give(6n);
  hooks.beforeLookup = () => {
    looks++;
    add(6, 10n);
  };
  slots.takeBack(sums, 6n);
  ok(looks < 100, `${looks}`);
  strictEqual(slots.tornCount, 1);
});

Deno.test("TrafficSlots knows who has a slot from the map", () => {
  const { slots, open } = bench();
  for (const id of [5n, 600n]) slots.give(id);
  deepStrictEqual([...open().holders()], [5n, 600n]);
});

Deno.test("TrafficSlots tells nothing of a workload without a slot", () => {
  const { slots, add } = bench();
  slots.give(5n);
  add(5, 10n);
  const sums = noSums();
  slots.addTo(sums, 261n);
  slots.addTo(sums, 0n);
  strictEqual(sums.bytes[0], 0n);
  slots.addTo(sums, 5n);
  strictEqual(sums.bytes[0], 10n);
});
