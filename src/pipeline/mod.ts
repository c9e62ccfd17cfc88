/**
 * Batches of records to ordered events: merge, decode, apply to state, attach context.
 *
 * @module
 */
export type {
  FactContext,
  FactTeller,
  HitContext,
  HitTeller,
  NetworkContext,
  NetworkTeller,
} from "./fact_teller.ts";
export type { PipelineOutlet } from "./outlet.ts";
export type { PipelineOptions, PipelineParts } from "./pipeline_parts.ts";
export { Pipeline } from "./run_pipeline.ts";
