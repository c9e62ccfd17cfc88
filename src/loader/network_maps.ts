/**
 * The kernel's tables of the network sensor: traffic by workload, flows, and what the programs
 * count about themselves.
 *
 * @module
 */
import { type BpfMap, Errno, LibbpfError, type Libc, MapUpdate } from "../../ffi/mod.ts";
import {
  NETWORK_FLOW_COUNT_KEY_SIZE,
  NETWORK_FLOW_KEY_SIZE,
  NETWORK_FLOW_SIZE,
  NETWORK_TRAFFIC_SIZE,
  NetworkControlRow,
  NetworkCount,
  NetworkDirection,
  NetworkFlowCountKeyOffset as CountKey,
  NetworkFlowKeyOffset as Key,
  NetworkFlowOffset as Flow,
  NetworkLimit,
  NetworkSide,
  NetworkTrafficOffset as Traffic,
  readTuple,
  type WireTuple,
} from "../wire/mod.ts";
import type { LoadedSensors } from "./load_sensors.ts";
import { lookAtRest } from "./look_at_rest.ts";
import { TrafficSlots, type TrafficSums } from "./traffic_slots.ts";

/** Traffic of one class. */
export interface KernelTrafficCount {
  readonly direction: "receive" | "transmit";
  readonly family: 4 | 6;
  readonly protocol: "tcp" | "udp" | "other";
  readonly bytes: bigint;
  readonly packets: bigint;
}

/** Traffic of one workload since it is counted. */
export interface KernelTrafficRow {
  readonly trackingId: bigint;
  readonly counts: readonly KernelTrafficCount[];
  /** Connections of TCP that began since the programs run and have not ended. */
  readonly openCount: number;
}

/** Traffic of one process with one peer in one interval. */
export interface KernelFlowRow {
  readonly trackingId: bigint;
  readonly tgid: number;
  readonly leaderStartNs: bigint;
  readonly tuple?: WireTuple;
  readonly isOther: boolean;
  readonly isOutgoing?: boolean;
  readonly firstNs: bigint;
  readonly lastNs: bigint;
  readonly isStarted: boolean;
  readonly isEnded: boolean;
  readonly connections: number;
  readonly counts: {
    readonly bytesSent: bigint;
    readonly bytesReceived: bigint;
    readonly packetsSent: bigint;
    readonly packetsReceived: bigint;
    readonly retransmits: number;
  };
}

/** What `NetworkMaps` works with. */
export interface NetworkMapsOptions {
  readonly sensors: Pick<LoadedSensors, "sensorMap" | "isAttached">;
  readonly libc: Pick<Libc, "waitForGracePeriod">;
  /** Whether the programs were loaded to write flows. */
  readonly withFlows: boolean;
}

const SENSOR = "network";
/** `tracking_id` of rows that hold what found no room of their own. */
const OTHER_ROW = 0xffff_ffff_ffff_ffffn;

/** Classes in the order of a row: direction * 6 + family * 3 + protocol. */
const CLASSES = (["receive", "transmit"] as const).flatMap((direction) =>
  ([4, 6] as const).flatMap((family) =>
    (["tcp", "udp", "other"] as const).map((protocol) => ({ direction, family, protocol }))
  )
);

/**
 * How long drainFlows() waits where the kernel does not tell when all programs have ended. A run
 * takes some microseconds; one that was preempted for longer than this writes to a row that was
 * taken, and what it adds is lost.
 */
const PROGRAMS_END_MS = 200;

/** What kernels say that do not look and delete in one step. */
const NO_TAKE: ReadonlySet<number> = new Set([Errno.ENOTSUPP, Errno.EOPNOTSUPP, Errno.EINVAL]);

/** The tables. Owns none of the maps: they live as long as the sensors. */
export class NetworkMaps {
  readonly #options: NetworkMapsOptions;
  readonly #traffic: BpfMap;
  readonly #counts: BpfMap;
  readonly #control: BpfMap;
  readonly #slots: TrafficSlots;
  #interval = 1n;
  /** Whether the kernel looks and deletes in one step. */
  #canTake = true;
  #tornCount = 0;

  /**
   * Makes the rows `other` and tells the programs what others are attached. Called when they are.
   *
   * @throws {LibbpfError} the sensor is not loaded, or the kernel has no memory.
   */
  constructor(options: NetworkMapsOptions) {
    this.#options = options;
    this.#traffic = this.#map("traffic");
    this.#counts = this.#map("network_counts");
    this.#control = this.#map("network_control");
    this.#slots = new TrafficSlots({
      ...{ map: this.#map("traffic_slots"), cpuCount: this.#cpuCount() },
      nowMs: () => performance.now(),
    });
    this.#write(NetworkControlRow.NETWORK_CONTROL_INTERVAL, this.#interval);
    const isHooked = options.sensors.isAttached("on_accept");
    this.#write(NetworkControlRow.NETWORK_CONTROL_ACCEPT_HOOKED, isHooked ? 1n : 0n);
    this.#makeTrafficOther();
    for (const name of options.withFlows ? ["flows_a", "flows_b"] : []) this.#makeFlowOther(name);
  }

  /** Rows with traffic, whose workloads get a slot. A row costs about 4 us. */
  readTraffic(): KernelTrafficRow[] {
    const ids = new Set(this.#traffic.keys().map(readU64));
    for (const id of ids) this.giveSlot(id);
    for (const id of this.#slots.holders()) ids.add(id);
    const rows: KernelTrafficRow[] = [];
    for (const id of ids) {
      const sums = newSums();
      this.#slots.addTo(sums, id);
      const row = trafficRow(id, this.#traffic.lookup(u64(id)), sums);
      if (row !== undefined) rows.push(row);
    }
    return rows;
  }

  /** A workload is at work: from now on its packets cost less, unless another has its slot. */
  giveSlot(trackingId: bigint): void {
    if (trackingId !== 0n && trackingId !== OTHER_ROW) this.#slots.give(trackingId);
  }

  /**
   * Takes a row out, of a workload that has ended. What a program adds to it in the same instant is
   * lost: one that found the row before it was taken. Before 5.14 the kernel cannot look and delete
   * in one step: then the row is deleted when two looks have shown the same, and one that never
   * stands still is counted as `traffic_torn`.
   */
  takeTraffic(trackingId: bigint): KernelTrafficRow | undefined {
    const key = u64(trackingId);
    const sums = newSums();
    this.#slots.takeBack(sums, trackingId);
    const value = this.#canTake ? this.#takeAtOnce(key) : this.#takeAtRest(key);
    return trafficRow(trackingId, value, sums);
  }

  /**
   * Ends an interval of flows. Programs read its number once per packet and write to its map. All
   * that run when it changes have ended after a grace period: the kernel runs programs of all our
   * types between rcu_read_lock() and rcu_read_unlock().
   */
  async drainFlows(): Promise<KernelFlowRow[]> {
    if (!this.#options.withFlows) return [];
    const ended = this.#interval;
    this.#interval++;
    this.#write(NetworkControlRow.NETWORK_CONTROL_INTERVAL, this.#interval);
    if (!await this.#options.libc.waitForGracePeriod()) {
      await new Promise((resolve) => setTimeout(resolve, PROGRAMS_END_MS));
    }
    const rows: KernelFlowRow[] = [];
    const name = (ended & 1n) === 1n ? "flows_b" : "flows_a";
    this.#map(name).takeAll((keys, keyAt, values, valueAt) => {
      const row = readFlow(keys, keyAt, values, valueAt);
      if (row !== undefined) rows.push(row);
    });
    this.#makeFlowOther(name);
    this.#forgetCounts(ended);
    return rows;
  }

  /** Sums over all CPUs, by the kernel's name in lower case: "sockets_failed", "flows_over", ... */
  counts(): ReadonlyMap<string, bigint> {
    const counts = new Map<string, bigint>();
    for (const [name, row] of Object.entries(NetworkCount)) {
      if (row === NetworkCount.NETWORK_COUNTS) continue;
      counts.set(name.replace("NETWORK_COUNT_", "").toLowerCase(), this.#count(row));
    }
    counts.set("traffic_torn", BigInt(this.#tornCount + this.#slots.tornCount));
    counts.set("sockets_evicted", this.#evicted(counts));
    return counts;
  }

  /** How sockets are told apart; a contradiction makes the programs distrust the kernel. */
  get attribution(): { readonly confirmed: number; readonly contradicted: number } {
    const confirmed = Number(this.#count(NetworkCount.NETWORK_COUNT_CGROUP_CONFIRMED));
    const contradicted = Number(this.#count(NetworkCount.NETWORK_COUNT_CGROUP_CONTRADICTED));
    if (contradicted > 0) this.#write(NetworkControlRow.NETWORK_CONTROL_DISTRUST_SOCKETS, 1n);
    return { confirmed, contradicted };
  }

  /**
   * Rows of `sockets` that were pushed out by others: made, not deleted, not there. The kernel does
   * not tell. It pushes rows out when it has handed out all, of which each CPU may hold some back.
   */
  #evicted(counts: ReadonlyMap<string, bigint>): bigint {
    const sockets = this.#map("sockets");
    const alive = (counts.get("sockets_entered") ?? 0n) - (counts.get("sockets_deleted") ?? 0n);
    if (alive <= BigInt(sockets.maxEntries) / 2n) return 0n;
    const there = BigInt(sockets.keys().length);
    return alive < there ? 0n : alive - there;
  }

  #count(row: number): bigint {
    const value = this.#counts.lookup(u32(row));
    return value === null ? 0n : sum(new BigUint64Array(value.buffer));
  }

  #takeAtOnce(key: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> | null {
    try {
      return this.#traffic.take(key);
    } catch (error) {
      if (!(error instanceof LibbpfError && NO_TAKE.has(error.code))) throw error;
      this.#canTake = false;
      return this.#takeAtRest(key);
    }
  }

  #takeAtRest(key: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> | null {
    const { value, isAtRest } = lookAtRest(() => this.#traffic.lookup(key));
    if (!isAtRest) this.#tornCount++;
    this.#traffic.delete(key);
    return value;
  }

  #makeTrafficOther(): void {
    const value = new Uint8Array(NETWORK_TRAFFIC_SIZE * this.#cpuCount());
    this.#enter(this.#traffic, u64(OTHER_ROW), value);
  }

  /** A count is one word per CPU. */
  #cpuCount(): number {
    return (this.#counts.lookup(u32(0))?.length ?? 0) / 8;
  }

  #makeFlowOther(name: string): void {
    const key = new Uint8Array(NETWORK_FLOW_KEY_SIZE);
    new DataView(key.buffer).setBigUint64(Key.trackingId, OTHER_ROW, true);
    this.#enter(this.#map(name), key, new Uint8Array(NETWORK_FLOW_SIZE));
  }

  /** Enters a row that is not there yet. */
  #enter(map: BpfMap, key: Uint8Array<ArrayBuffer>, value: Uint8Array<ArrayBuffer>): void {
    try {
      map.update(key, value, MapUpdate.noExist);
    } catch (error) {
      if (!(error instanceof LibbpfError && error.code === Errno.EEXIST)) throw error;
    }
  }

  #forgetCounts(interval: bigint): void {
    const counts = this.#map("flow_counts");
    for (const key of counts.keys()) {
      const view = new DataView(key.buffer);
      if (key.length !== NETWORK_FLOW_COUNT_KEY_SIZE) continue;
      if (view.getBigUint64(CountKey.interval, true) <= interval) counts.delete(key);
    }
  }

  #write(row: number, value: bigint): void {
    this.#control.update(u32(row), u64(value));
  }

  #map(name: string): BpfMap {
    const map = this.#options.sensors.sensorMap(SENSOR, name);
    if (map === undefined) {
      const attempt = { operation: "bpf_object__find_map_by_name", action: "find map" };
      throw new LibbpfError({ ...attempt, object: `${SENSOR}/${name}` }, Errno.ENOENT);
    }
    return map;
  }
}

function newSums(): TrafficSums {
  const count = NetworkLimit.NETWORK_CLASSES;
  return { bytes: new BigUint64Array(count), packets: new BigUint64Array(count) };
}

/**
 * A workload's row.
 *
 * @param value what it has in `traffic`
 * @param sums what it has in its slot; the rest is added
 * @returns undefined when it has no traffic
 */
function trafficRow(
  trackingId: bigint,
  value: Uint8Array<ArrayBuffer> | null,
  { bytes, packets }: TrafficSums,
): KernelTrafficRow | undefined {
  const words = new BigUint64Array(value?.buffer ?? new ArrayBuffer());
  let open = 0n;
  for (let at = 0; at < words.length; at += NETWORK_TRAFFIC_SIZE / 8) {
    // Of one CPU alone it may be less than 0: connections end on another CPU than they begin on.
    open += BigInt.asIntN(64, words[at + Traffic.open / 8] ?? 0n);
    for (let i = 0; i < bytes.length; i++) {
      const sums = at + NetworkLimit.NETWORK_SUMS * i;
      bytes[i] = (bytes[i] ?? 0n) + (words[sums] ?? 0n);
      packets[i] = (packets[i] ?? 0n) + (words[sums + 1] ?? 0n);
    }
  }
  if (sum(packets) === 0n) return undefined;
  const counts = CLASSES.map((trafficClass, i) => ({
    ...trafficClass,
    bytes: bytes[i] ?? 0n,
    packets: packets[i] ?? 0n,
  }));
  return { trackingId, counts, openCount: Math.max(0, Number(open)) };
}

/** Undefined for rows that hold nothing, as those `other` do most times. */
function readFlow(
  keys: DataView,
  keyAt: number,
  values: DataView,
  at: number,
): KernelFlowRow | undefined {
  const firstNs = values.getBigUint64(at + Flow.firstNs, true);
  if (firstNs === 0n) return undefined;
  const tuple = readTuple(keys, keyAt + Key.tuple);
  const side = values.getUint8(at + Flow.side);
  const pair = (offset: number, direction: number) =>
    values.getBigUint64(at + offset + 8 * direction, true);
  const { NETWORK_SENT: sent, NETWORK_RECEIVED: received } = NetworkDirection;
  return {
    trackingId: keys.getBigUint64(keyAt + Key.trackingId, true),
    tgid: keys.getUint32(keyAt + Key.tgid, true),
    leaderStartNs: keys.getBigUint64(keyAt + Key.leaderStartNs, true),
    ...(tuple !== undefined && { tuple }),
    isOther: tuple === undefined,
    ...(side !== NetworkSide.NETWORK_SIDE_UNKNOWN && {
      isOutgoing: side === NetworkSide.NETWORK_SIDE_LOCAL,
    }),
    firstNs,
    lastNs: values.getBigUint64(at + Flow.lastNs, true),
    isStarted: values.getUint8(at + Flow.isStarted) !== 0,
    isEnded: values.getUint8(at + Flow.isEnded) !== 0,
    connections: Math.max(1, values.getUint32(at + Flow.connections, true)),
    counts: {
      bytesSent: pair(Flow.bytes, sent),
      bytesReceived: pair(Flow.bytes, received),
      packetsSent: pair(Flow.packets, sent),
      packetsReceived: pair(Flow.packets, received),
      retransmits: values.getUint32(at + Flow.retransmits, true),
    },
  };
}

function sum(words: BigUint64Array): bigint {
  return words.reduce((total, word) => total + word, 0n);
}

function u32(value: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new Uint32Array([value]).buffer);
}

function readU64(key: Uint8Array<ArrayBuffer>): bigint {
  return new DataView(key.buffer, key.byteOffset).getBigUint64(0, true);
}

function u64(value: bigint): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new BigUint64Array([value]).buffer);
}
