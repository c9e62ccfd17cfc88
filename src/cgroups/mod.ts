/**
 * How this host uses cgroups: mode, hierarchy to track, deployment, existing cgroups. Reads files
 * only; the kernel side is told the result.
 *
 * @module
 */
export {
  type CgroupLine,
  type CgroupMount,
  type ControllerLine,
  parseCgroupLines,
} from "./cgroup_text.ts";
export type { Subsystem, SubsystemIndexes, TrackedHierarchy } from "./choose_hierarchy.ts";
export {
  type Deployment,
  type DeploymentKind,
  type DeploymentSources,
  detectDeployment,
} from "./detect_deployment.ts";
export {
  type CgroupMode,
  type CgroupModeName,
  type CgroupWarning,
  detectCgroupMode,
  type DetectionSources,
  findNetworkConflict,
} from "./detect_mode.ts";
export { describeHierarchy, type Hierarchy, pathBelowMount, wholeOwnPath } from "./hierarchy.ts";
export { HostFiles } from "./host_files.ts";
export {
  type CgroupIdReading,
  type FileHandles,
  type KernelCgroup,
  type OwnCgroupReport,
  readCgroupId,
  verifyOwnCgroup,
} from "./own_cgroup.ts";
export { hasHostPids, OWN_PIDS } from "./own_namespaces.ts";
export {
  type CgroupWalk,
  walkCgroups,
  WALKED_CGROUPS_MAX,
  type WalkedCgroup,
} from "./walk_cgroups.ts";
export { hasOwnTime, readTimeOffsets, type TimeOffsets } from "./time_namespace.ts";
