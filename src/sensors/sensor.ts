/**
 * The contract of a sensor: one feature, the same word in `bpf/`, `src/sensors/` and the config
 * file.
 *
 * @module
 */
import type { KernelFact } from "../events/mod.ts";
import type { RecordView } from "../wire/mod.ts";

/** Kernel abilities a sensor may need; `src/loader/kernel_features.ts` has a probe for each. */
export type KernelFeature =
  /** /sys/kernel/btf/vmlinux (CONFIG_DEBUG_INFO_BTF, since 5.2). */
  | "btf"
  /** Programs of type BPF_PROG_TYPE_TRACING on tracepoints (tp_btf, since 5.5). */
  | "tp_btf"
  /** bpf_perf_event_output() into a perf event array. */
  | "perf_event_array";

/** Values of the `const volatile` variables of an object, by C name, set before load. */
export type SensorGlobals = Readonly<Record<string, boolean | number | bigint>>;

/** The config section with the sensor's name, checked by `src/config/`. */
export type SensorSettings = Readonly<Record<string, boolean | number | string>>;

/** Turns one kind of record into a fact. */
export interface RecordDecoder {
  /** Record kind as in the header of the sensor. */
  readonly kind: number;
  /** Name in metrics, logs and gap events, such as "process_exec". */
  readonly name: string;
  /**
   * Reads the record under the cursor; keeps no reference to its memory.
   *
   * @throws {RangeError} the record's own sizes do not fit it; the pipeline counts and drops it.
   */
  decode(record: RecordView): KernelFact;
}

/** One BPF program of a sensor's object. */
export interface SensorProgram {
  /** Function name in C. */
  readonly name: string;
  /** What it hooks, for people: "tp_btf/sched_process_exec". */
  readonly hook: string;
  /** The sensor is useless without it; otherwise it is left out with the reason when it fails. */
  readonly required: boolean;
  /** Kernels before this version (`[major, minor]`) do not need it; it is not loaded there. */
  readonly since?: readonly [number, number];
  /** Kernels of this version and newer do not need it; it is not loaded there. */
  readonly before?: readonly [number, number];
  /** Where it is attached, when that is not its hook alone: the root of the cgroup v2 tree. */
  readonly attachTo?: "cgroup_root";
  /** Never attached: the agent runs it when it wants to know something. */
  readonly isRunByAgent?: boolean;
  /** A run that the kernel skips loses nothing: the next one sees the same. */
  readonly isRepeated?: boolean;
  /** Name of the program on the same hook that this one stands in for when the kernel skips it. */
  readonly spareOf?: string;
}

/** One feature. */
export interface Sensor {
  readonly name: string;
  /** The agent is of use without it, and never alone with it. */
  readonly isOptional?: boolean;
  readonly requires: readonly KernelFeature[];
  readonly programs: readonly SensorProgram[];
  readonly decoders: readonly RecordDecoder[];
  /** Values for the object's `const volatile` variables. */
  globals(settings: SensorSettings): SensorGlobals;
}
