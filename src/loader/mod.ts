/**
 * BPF objects into the kernel, and what the program carries for that.
 *
 * @module
 */
export {
  type BuildInfo,
  openPayload,
  type Payload,
  PayloadError,
  type PayloadForm,
  type StartMode,
} from "./payload.ts";
export { readCgroupSubsystems } from "./btf_enum.ts";
export { HookWatch, type HookWatchParts } from "./hook_watch.ts";
export { type HookLoss, type LostHook } from "./attached_links.ts";
export { KernelDrops, type KernelDropsOptions, type RecordKindName } from "./kernel_drops.ts";
export {
  isKernelSince,
  KERNEL_FEATURES,
  KernelFeatures,
  parseKernelVersion,
} from "./kernel_features.ts";
export { explainLoadFailure, LoadError, type LoadObstacle } from "./load_error.ts";
export type { LoaderLog } from "./load_object.ts";
export {
  LoadedSensors,
  type LoaderSystem,
  type LoadOptions,
  loadSensors,
  type MapUsage,
  type ProgramCounts,
  type SensorReport,
} from "./load_sensors.ts";
export { readKernelNamespaces } from "./host_namespaces.ts";
export { type KernelOwnCgroup, readOwnCgroup } from "./own_cgroup.ts";
export { OpenFilesError, openFilesNeeded, requireOpenFiles } from "./open_files.ts";
export type { KernelDropRow } from "./record_drops.ts";
export { CGROUP_COUNTS_MAP, CGROUPS_MAP, type MapEntries } from "./shared_maps.ts";
export {
  CgroupMap,
  type CgroupMapOptions,
  type CgroupOwner,
  type CgroupRow,
  type KernelCgroupRow,
} from "./cgroup_map.ts";
export { type CgroupRoot, type CgroupRootSystem, openCgroupRoot } from "./cgroup_root.ts";
export {
  type KernelFlowRow,
  type KernelTrafficCount,
  type KernelTrafficRow,
  NetworkMaps,
  type NetworkMapsOptions,
} from "./network_maps.ts";
export { meetOldSockets, type OldSocketsParts, type OldSocketsReading } from "./old_sockets.ts";
export { type ManifestObject, readManifest, writeGlobals } from "./manifest.ts";
