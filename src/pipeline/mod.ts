/**
 * Batches of records to ordered events: merge, decode, apply to state, attach context.
 *
 * @module
 */
export { Pipeline, type PipelineOptions, type PipelineParts } from "./run_pipeline.ts";
export type { PipelineOutlet } from "./outlet.ts";
export type { HitContext, HitTeller } from "./policy_hits.ts";
