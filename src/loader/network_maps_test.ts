import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { type BpfMap, Errno, LibbpfError } from "../../ffi/mod.ts";
import {
  NETWORK_FLOW_COUNT_KEY_SIZE,
  NETWORK_FLOW_KEY_SIZE,
  NETWORK_FLOW_SIZE,
  NETWORK_SOCKET_SIZE,
  NETWORK_TRAFFIC_SIZE,
  NetworkControlRow,
  NetworkCount,
  NetworkFlowCountKeyOffset as CountKey,
  NetworkFlowKeyOffset as Key,
  NetworkFlowOffset as Flow,
  NetworkLimit,
  NetworkTupleOffset as Tuple,
} from "../wire/mod.ts";
import { NetworkMaps } from "./network_maps.ts";

const CPUS = 2;
const OTHER_ROW = 0xffff_ffff_ffff_ffffn;

/** A map in memory. */
class FakeMap {
  readonly rows = new Map<
    string,
    { key: Uint8Array<ArrayBuffer>; value: Uint8Array<ArrayBuffer> }
  >();

  canTake = true;
  /** Runs before each look, as a program on another CPU does. */
  beforeLookup = () => {};

  constructor(readonly maxEntries: number) {}

  lookup(key: Uint8Array<ArrayBuffer>) {
    this.beforeLookup();
    return this.rows.get(key.join())?.value ?? null;
  }

  update(key: Uint8Array<ArrayBuffer>, value: Uint8Array<ArrayBuffer>) {
    this.rows.set(key.join(), { key: key.slice(), value: value.slice() });
  }

  delete(key: Uint8Array<ArrayBuffer>) {
    return this.rows.delete(key.join());
  }

  /** As kernels before 5.14 unless `canTake`. */
  take(key: Uint8Array<ArrayBuffer>) {
    if (!this.canTake) {
      const attempt = { operation: "take", action: "take", object: "traffic" };
      throw new LibbpfError(attempt, Errno.ENOTSUPP);
    }
    const value = this.rows.get(key.join())?.value ?? null;
    this.rows.delete(key.join());
    return value;
  }

  keys() {
    return [...this.rows.values()].map(({ key }) => key);
  }

  takeAll(take: (keys: DataView, keyAt: number, values: DataView, valueAt: number) => void) {
    for (const { key, value } of this.rows.values()) {
      take(new DataView(key.buffer), 0, new DataView(value.buffer), 0);
    }
    const count = this.rows.size;
    this.rows.clear();
    return count;
  }
}

function u32(value: number) {
  return new Uint8Array(new Uint32Array([value]).buffer);
}

function words(...values: bigint[]) {
  return new Uint8Array(new BigUint64Array(values).buffer);
}

function bench(options: { readonly isHooked?: boolean; readonly hasGracePeriod?: boolean } = {}) {
  const maps: Record<string, FakeMap> = {};
  for (const name of ["traffic", "flows_a", "flows_b", "flow_counts", "network_control"]) {
    maps[name] = new FakeMap(16);
  }
  maps["network_counts"] = new FakeMap(NetworkCount.NETWORK_COUNTS);
  maps["sockets"] = new FakeMap(4);
  maps["traffic_slots"] = new FakeMap(NetworkLimit.NETWORK_TRAFFIC_SLOTS);
  const map = (name: string): FakeMap => maps[name] ?? new FakeMap(0);
  for (let row = 0; row < NetworkCount.NETWORK_COUNTS; row++) {
    map("network_counts").update(u32(row), words(...Array(CPUS).fill(0n)));
  }
  const log: string[] = [];
  const opened = new NetworkMaps({
    sensors: {
      sensorMap: (_sensor, name) => map(name) as unknown as BpfMap,
      isAttached: () => options.isHooked === true,
    },
    libc: {
      waitForGracePeriod: () => {
        log.push(`waited in ${control(NetworkControlRow.NETWORK_CONTROL_INTERVAL)}`);
        return Promise.resolve(options.hasGracePeriod !== false);
      },
    },
    withFlows: true,
  });
  function control(row: number): bigint {
    const value = map("network_control").lookup(u32(row));
    return value === null ? -1n : new BigUint64Array(value.buffer)[0] ?? -1n;
  }
  return { opened, map, control, log };
}

function enterFlow(map: FakeMap, trackingId: bigint, family: number, bytes: bigint): void {
  const key = new Uint8Array(NETWORK_FLOW_KEY_SIZE);
  const value = new Uint8Array(NETWORK_FLOW_SIZE);
  new DataView(key.buffer).setBigUint64(Key.trackingId, trackingId, true);
  key[Key.tuple + Tuple.family] = family;
  new DataView(value.buffer).setBigUint64(Flow.bytes, bytes, true);
  new DataView(value.buffer).setBigUint64(Flow.firstNs, 5n, true);
  map.update(key, value);
}

Deno.test("NetworkMaps makes the rows `other` and tells programs what is attached", () => {
  const { map, control } = bench({ isHooked: true });
  strictEqual(map("traffic").lookup(words(OTHER_ROW))?.length, NETWORK_TRAFFIC_SIZE * CPUS);
  deepStrictEqual([map("flows_a").rows.size, map("flows_b").rows.size], [1, 1]);
  strictEqual(control(NetworkControlRow.NETWORK_CONTROL_ACCEPT_HOOKED), 1n);
  strictEqual(bench().control(NetworkControlRow.NETWORK_CONTROL_ACCEPT_HOOKED), 0n);
});

Deno.test("NetworkMaps.readTraffic() adds up CPUs by class, takeTraffic() takes a row out", () => {
  const { opened, map } = bench();
  const value = new BigUint64Array(NETWORK_TRAFFIC_SIZE / 8 * CPUS);
  for (const cpu of [0, 1]) {
    // Sent (6), IPv6 (3), UDP (1).
    const at = cpu * NETWORK_TRAFFIC_SIZE / 8 + 10 * NetworkLimit.NETWORK_SUMS;
    value[at] = 100n;
    value[at + 1] = 2n;
  }
  map("traffic").update(words(7n), new Uint8Array(value.buffer));
  const [row] = opened.readTraffic();
  strictEqual(row?.trackingId, 7n);
  deepStrictEqual(row.counts.filter(({ packets }) => packets > 0n), [
    { direction: "transmit", family: 6, protocol: "udp", bytes: 200n, packets: 4n },
  ]);
  deepStrictEqual(opened.takeTraffic(7n), row);
  strictEqual(opened.takeTraffic(7n), undefined);
  deepStrictEqual(opened.readTraffic(), []);
});

/** A slot with so many bytes in each sum of bytes, on each CPU. */
function slotValue(trackingId: bigint, bytes: number): Uint8Array<ArrayBuffer> {
  const line = [bytes, 1, bytes, 1, bytes, 1, 0].map(BigInt);
  return words(...Array(CPUS * 4).fill([...line, trackingId]).flat() as bigint[]);
}

Deno.test("NetworkMaps gives slots to workloads with traffic and adds up what is in both maps", () => {
  const { opened, map } = bench();
  const slot = u32(7).join();
  map("traffic").update(words(7n), trafficValue(1));
  strictEqual(opened.readTraffic()[0]?.counts[0]?.bytes, 1n);
  deepStrictEqual(map("traffic_slots").rows.get(slot)?.value, emptySlot(7n));
  map("traffic_slots").update(u32(7), slotValue(7n, 10));
  const [row] = opened.readTraffic();
  deepStrictEqual(row?.counts.map(({ bytes }) => bytes), [21n, ...Array(11).fill(20n)]);
  deepStrictEqual(row?.counts.map(({ packets }) => packets), [3n, ...Array(11).fill(2n)]);
  // Another with the same place has to do without.
  opened.giveSlot(7n + 256n);
  strictEqual(map("traffic_slots").rows.get(slot)?.value[56], 7);
  deepStrictEqual(opened.takeTraffic(7n), row);
  deepStrictEqual(map("traffic_slots").rows.get(slot)?.value, emptySlot(0n));
  deepStrictEqual(opened.readTraffic(), []);
});

Deno.test("NetworkMaps shows a workload that has traffic in its slot alone", () => {
  const { opened, map } = bench();
  opened.giveSlot(9n);
  map("traffic_slots").update(u32(9), slotValue(9n, 5));
  deepStrictEqual(opened.readTraffic().map(({ trackingId }) => trackingId), [9n]);
  strictEqual(opened.takeTraffic(9n)?.counts[11]?.bytes, 10n);
});

function emptySlot(trackingId: bigint): Uint8Array<ArrayBuffer> {
  return words(
    ...Array(CPUS * 4).fill([0n, 0n, 0n, 0n, 0n, 0n, 0n, trackingId]).flat() as bigint[],
  );
}

/** A row with so many bytes and packets of class 0 on the first CPU. */
function trafficValue(count: number): Uint8Array<ArrayBuffer> {
  const value = new BigUint64Array(NETWORK_TRAFFIC_SIZE / 8 * CPUS);
  value[0] = value[1] = BigInt(count);
  return new Uint8Array(value.buffer);
}

Deno.test("NetworkMaps.takeTraffic() waits until a row stands still (kernels before 5.14)", () => {
  const { opened, map } = bench();
  const traffic = map("traffic");
  traffic.canTake = false;
  let looks = 0;
  traffic.update(words(7n), trafficValue(1));
  // A program goes on until the fifth look.
  traffic.beforeLookup = () => traffic.update(words(7n), trafficValue(Math.min(++looks, 5)));
  const row = opened.takeTraffic(7n);
  strictEqual(row?.counts[0]?.bytes, 5n);
  deepStrictEqual([looks, traffic.rows.has(words(7n).join())], [6, false]);
  strictEqual(opened.counts().get("traffic_torn"), 0n);
  traffic.beforeLookup = () => {};
  strictEqual(opened.takeTraffic(8n), undefined);
});

Deno.test("NetworkMaps.takeTraffic() counts a row that never stands still", () => {
  const { opened, map } = bench();
  const traffic = map("traffic");
  traffic.canTake = false;
  let looks = 0;
  traffic.update(words(7n), trafficValue(1));
  traffic.beforeLookup = () => traffic.update(words(7n), trafficValue(++looks));
  strictEqual(opened.takeTraffic(7n)?.counts[0]?.packets, BigInt(looks));
  ok(looks > 10 && looks < 1000, `${looks}`);
  strictEqual(traffic.rows.has(words(7n).join()), false);
  strictEqual(opened.counts().get("traffic_torn"), 1n);
});

Deno.test("NetworkMaps.drainFlows() changes the interval, waits, and empties the other map", async () => {
  const { opened, map, log } = bench();
  enterFlow(map("flows_b"), 7n, 4, 10n);
  enterFlow(map("flows_b"), 7n, 0, 20n);
  enterFlow(map("flows_a"), 8n, 4, 30n);
  const count = new Uint8Array(NETWORK_FLOW_COUNT_KEY_SIZE);
  for (const interval of [1n, 2n]) {
    new DataView(count.buffer).setBigUint64(CountKey.interval, interval, true);
    map("flow_counts").update(count, words(1n));
  }
  const rows = await opened.drainFlows();
  deepStrictEqual(log, ["waited in 2"]);
  deepStrictEqual(
    rows.map(({ trackingId, isOther, counts }) => [trackingId, isOther, counts.bytesSent]),
    [[7n, false, 10n], [7n, true, 20n]],
  );
  strictEqual(map("flows_b").rows.size, 1, "the row `other` is there again");
  strictEqual(map("flow_counts").rows.size, 1, "of the interval that goes on");
  deepStrictEqual((await opened.drainFlows()).map(({ trackingId }) => trackingId), [8n]);
});

Deno.test("NetworkMaps.drainFlows() waits a while where the kernel knows no grace period", async () => {
  const { opened, map } = bench({ hasGracePeriod: false });
  enterFlow(map("flows_b"), 7n, 4, 10n);
  // A program that ran when the interval changed ends meanwhile.
  setTimeout(() => enterFlow(map("flows_b"), 8n, 4, 10n), 1);
  strictEqual((await opened.drainFlows()).length, 2);
});

Deno.test("NetworkMaps.counts() finds what was pushed out; attribution makes programs distrust", () => {
  const { opened, map, control } = bench();
  const set = (row: number, ...values: bigint[]) =>
    map("network_counts").update(u32(row), words(...values));
  strictEqual(opened.counts().get("sockets_evicted"), 0n);
  set(NetworkCount.NETWORK_COUNT_SOCKETS_ENTERED, 6n, 4n);
  set(NetworkCount.NETWORK_COUNT_SOCKETS_DELETED, 1n, 2n);
  strictEqual(opened.counts().get("sockets_evicted"), 7n);
  for (const at of [1n, 2n, 3n, 4n]) {
    map("sockets").update(words(at), new Uint8Array(NETWORK_SOCKET_SIZE));
  }
  strictEqual(opened.counts().get("sockets_evicted"), 3n);
  deepStrictEqual(opened.attribution, { confirmed: 0, contradicted: 0 });
  strictEqual(control(NetworkControlRow.NETWORK_CONTROL_DISTRUST_SOCKETS), -1n);
  set(NetworkCount.NETWORK_COUNT_CGROUP_CONTRADICTED, 0n, 1n);
  strictEqual(opened.attribution.contradicted, 1);
  strictEqual(control(NetworkControlRow.NETWORK_CONTROL_DISTRUST_SOCKETS), 1n);
});
