/**
 * The network sensor in the kernel, and what it says about the sockets of a test.
 *
 * @module
 */
import { type Libc, openLibc } from "../../ffi/mod.ts";
import { isKernelSince, NetworkMaps } from "../../src/loader/mod.ts";
import type { NetworkKernel, TrafficRow } from "../../src/network/mod.ts";
import type { SensorSettings } from "../../src/sensors/mod.ts";
import { NetworkLimit } from "../../src/wire/mod.ts";
import { CgroupBench } from "./cgroup_bench.ts";
import type { SensorRecorder } from "./expect_event.ts";
import { type TestHierarchy, v2Hierarchy } from "./test_cgroup.ts";

/** How a bench is set up. */
export interface NetworkBenchOptions {
  readonly hierarchy?: TestHierarchy;
  readonly controller?: string;
  readonly settings?: SensorSettings;
  /** Flows in all; 0 switches them off. */
  readonly flows?: number;
  readonly workloadFlows?: number;
  readonly trafficEntries?: number;
  readonly socketEntries?: number;
}

/** Bytes and packets of some traffic. */
export interface Sum {
  readonly bytes: bigint;
  readonly packets: bigint;
}

/** Before, a program of a trampoline can be attached only once (kernel/bpf/syscall.c). */
const ATTACHED_AGAIN_SINCE = [5, 13] as const;

/** All sensors with that of the network. */
export class NetworkBench {
  readonly cgroups: CgroupBench;
  readonly kernel: NetworkKernel & NetworkMaps;
  readonly #libc: Libc;

  /**
   * A bench whose sensors other tests use, too, one at a time. Not for tests of flows, whose
   * intervals begin with the sensors, or of full maps.
   */
  static shared(options: Pick<NetworkBenchOptions, "settings"> = {}): NetworkBench {
    return new NetworkBench(options, isKernelSince(Deno.osRelease(), ATTACHED_AGAIN_SINCE));
  }

  constructor(options: NetworkBenchOptions = {}, isShared = false) {
    const { flows = 0, workloadFlows = flows, hierarchy = v2Hierarchy(), controller } = options;
    const withFlows = flows > 0;
    const rows = flows + NetworkLimit.NETWORK_OTHER_FLOWS;
    const { trafficEntries, socketEntries } = options;
    const cgroupOptions = {
      ...(controller !== undefined && { controller }),
      network: {
        report_flows: withFlows,
        flows_max: flows,
        workload_flows_max: workloadFlows,
        ...options.settings,
      },
      mapEntries: {
        ...(withFlows && { flows_a: rows, flows_b: rows, flow_counts: 1024 }),
        ...(trafficEntries !== undefined && { traffic: trafficEntries }),
        ...(socketEntries !== undefined && { sockets: socketEntries }),
      },
    };
    this.cgroups = isShared
      ? CgroupBench.shared(cgroupOptions)
      : new CgroupBench(hierarchy, cgroupOptions);
    const { sensors } = this.recorder;
    for (const name of ["on_ingress", "on_egress"]) {
      if (sensors.isAttached(name)) continue;
      throw new Error(`${name} is not attached: ${JSON.stringify(sensors.report)}`);
    }
    this.#libc = openLibc();
    const parts = { sensors: this.recorder.sensors, libc: this.#libc, withFlows };
    this.kernel = new NetworkMaps(parts);
  }

  get recorder(): SensorRecorder {
    return this.cgroups.recorder;
  }

  /** What a workload has carried, of the classes that fit. */
  traffic(trackingId: bigint, like: Partial<TrafficRow["counts"][number]> = {}): Sum {
    const row = this.kernel.readTraffic().find((row) => row.trackingId === trackingId);
    return sumOf(row?.counts ?? [], like);
  }

  [Symbol.dispose](): void {
    this.cgroups[Symbol.dispose]();
    this.#libc[Symbol.dispose]();
  }
}

/** Adds up the classes that fit. */
export function sumOf(
  counts: TrafficRow["counts"],
  like: Partial<TrafficRow["counts"][number]>,
): Sum {
  let [bytes, packets] = [0n, 0n];
  for (const count of counts) {
    const fits = Object.entries(like)
      .every(([name, value]) => count[name as keyof typeof count] === value);
    if (!fits) continue;
    bytes += count.bytes;
    packets += count.packets;
  }
  return { bytes, packets };
}

/** A line of the workload's `lo` or `device`. */
export interface DeviceCounts {
  readonly receivedBytes: bigint;
  readonly received: bigint;
  readonly sentBytes: bigint;
  readonly sent: bigint;
}

/** Counters that a workload has printed, in their order. */
export function deviceCounts(output: string): DeviceCounts[] {
  return Array.from(
    output.matchAll(/^\S+ (\d+) (\d+) (\d+) (\d+)$/gm),
    ([, receivedBytes = "", received = "", sentBytes = "", sent = ""]) => ({
      receivedBytes: BigInt(receivedBytes),
      received: BigInt(received),
      sentBytes: BigInt(sentBytes),
      sent: BigInt(sent),
    }),
  );
}

/** Splits a line of words for the workload `net`. */
export function words(text: string): string[] {
  return ["net", ...text.trim().split(/\s+/)];
}
