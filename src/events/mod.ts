/**
 * What our own rooms agree on: facts that change state and events worth exporting.
 *
 * @module
 */
export type * from "./agent_event.ts";
export type * from "./event_base.ts";
export type * from "./fact.ts";
export type * from "./fact_base.ts";
export type * from "./network.ts";
export type * from "./policy.ts";
export type * from "./process.ts";
export type * from "./signal.ts";
export type * from "./text.ts";
export type * from "./workload.ts";
