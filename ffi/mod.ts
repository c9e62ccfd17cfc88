/**
 * TypeScript objects over libbpf and a few libc calls. Knows nothing of the product.
 *
 * @module
 */
export { BpfLink } from "./bpf_link.ts";
export { BPF_F_NO_PREALLOC, BpfMap, BpfMapType } from "./bpf_map.ts";
export { BpfObject, type OpenObjectOptions } from "./bpf_object.ts";
export { BpfProgram, type BpfProgramInfo, type KprobeFunction } from "./bpf_program.ts";
export { CpuListError, onlineCpus, parseCpuList, possibleCpus } from "./cpu_list.ts";
export { Errno, errnoName, errnoText } from "./errno.ts";
export { CallError, LibbpfError, LibcError, LibraryError, VerifierError } from "./errors.ts";
export { Libbpf, type LibbpfParts, openLibbpf } from "./libbpf.ts";
export {
  ClockId,
  type FileHandle,
  Libc,
  type LibcTable,
  openLibc,
  type ResourceLimit,
  type ResourceUsage,
  Rlimit,
  RLIMIT_INFINITY,
  RusageWho,
} from "./libc.ts";
export type { LibbpfLog, LibbpfLogLevel } from "./log_bridge.ts";
export { type MapBatch, MapElements, MapUpdate, openMapElements } from "./map_elements.ts";
export { MappedMemory } from "./mapped_memory.ts";
export { BorrowedMemory } from "./memory.ts";
export {
  PERF_EVENT_IOC_SET_OUTPUT,
  PERF_RING_DATA_HEAD,
  PERF_RING_DATA_TAIL,
  type PerfEventOptions,
  PerfRecordType,
} from "./perf_event.ts";
export { PollEvent, PollSet } from "./poll_set.ts";
