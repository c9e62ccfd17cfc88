/**
 * The network by workload: traffic, flows, names of peers.
 *
 * @module
 */
export { addressRange, ipv6Text } from "./address_class.ts";
export { Conntrack, type ConntrackParts } from "./conntrack.ts";
export { NameCache } from "./dns/name_cache.ts";
export { DnsTeller, type DnsTellerOptions } from "./dns/tell_dns.ts";
export type { FlowEventsParts } from "./flow_events.ts";
export { FlowReports, type FlowReportsParts, type FlowTimers } from "./flow_reports.ts";
export type { NameSource } from "./name_source.ts";
export { NetworkEvents } from "./network_events.ts";
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
export { type AddressFiles, HostAddressFiles, OwnAddresses } from "./own_addresses.ts";
export { type ProcessContext, RecentProcesses } from "./recent_processes.ts";
export { TupleTagger } from "./tag_tuple.ts";
export { classIndex, sumTraffic, TRAFFIC_CLASSES, type TrafficSums } from "./traffic_classes.ts";
export { type CgroupOwner, TrafficTotals, workloadKey } from "./traffic_totals.ts";
