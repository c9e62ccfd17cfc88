/**
 * Who a cgroup belongs to: container runtimes, pods, systemd units, login sessions. Look-ups never
 * happen on the read path.
 *
 * @module
 */
export type { CgroupIdentity } from "./cgroup_workloads.ts";
export { InnerContainers } from "./inner_containers.ts";
export {
  type OpenedWorkloads,
  openWorkloads,
  type WorkloadNeeds,
  type WorkloadSettings,
} from "./open_workloads.ts";
export { type PathRecognition, recognisePath, type RecognitionContext } from "./recognise_path.ts";
export type { RuntimeApi } from "./runtime/runtime_client.ts";
export type { LinkReport, ProbeReport } from "./runtime/runtime_link.ts";
export { type SocketPlace, SYSTEM_SOCKETS } from "./runtime/well_known_sockets.ts";
export type { LearnedListener, WorkloadResolver } from "./workload_resolver.ts";
