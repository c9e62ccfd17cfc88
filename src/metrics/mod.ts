/**
 * The agent's figures for Prometheus, and whether it is well, over HTTP.
 *
 * @module
 */
export { AgentHealth, type HealthAnswer, type SensorState } from "./agent_health.ts";
export { MetricsCounts } from "./metrics_counts.ts";
export { MetricsPages, type MetricsPagesParts } from "./metrics_pages.ts";
export {
  METRICS_LIMITS,
  type MetricsLimits,
  MetricsServer,
  type MetricsServerParts,
} from "./metrics_server.ts";
export { ProcessFigures } from "./process_figures.ts";
export type { SampleSource } from "./sample.ts";
export type { Owner, TrafficReading, WorkloadLabels, WorkloadReading } from "./workload_cells.ts";
export { WorkloadSeries, type WorkloadSeriesOptions } from "./workload_series.ts";
