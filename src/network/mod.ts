/**
 * The network by workload: traffic, flows, names of peers.
 *
 * @module
 */
export type { AttributionState, FlowRow, NetworkKernel, TrafficRow } from "./network_kernel.ts";
export { OTHER_ROW } from "./network_kernel.ts";
