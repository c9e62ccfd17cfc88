/**
 * The network by workload: traffic, flows, names of peers.
 *
 * @module
 */
export type { NameSource } from "./name_source.ts";
export type { AttributionState, FlowRow, NetworkKernel, TrafficRow } from "./network_kernel.ts";
export { OTHER_ROW } from "./network_kernel.ts";
export type {
  NetworkService,
  NetworkState,
  ProgramTime,
  TrafficOwner,
  TrafficReading,
  WorkloadTraffic,
} from "./network_service.ts";
export { classIndex, sumTraffic, TRAFFIC_CLASSES, type TrafficSums } from "./traffic_classes.ts";
