/**
 * What kernel and user space agree on: layouts generated from the C headers under `bpf/`, and the
 * cursor over one record.
 *
 * @module
 */
export * from "./generated/record.ts";
export * from "./generated/process.ts";
export { LAYOUT_HASH } from "./generated/layout_hash.ts";
export { RecordView } from "./record_view.ts";
