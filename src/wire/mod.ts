/**
 * What kernel and user space agree on: layouts generated from the C headers under `bpf/`, and the
 * cursor over one record.
 *
 * @module
 */
export * from "./generated/mod.ts";
export { ipAddressText, ipv4Text, ipv6Text } from "./ip_address.ts";
export { readTuple, type WireTuple } from "./network_tuple.ts";
export { RecordView } from "./record_view.ts";
