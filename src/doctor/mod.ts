/**
 * Whether the agent can run on this host, why not, and what to do: `shrike doctor`.
 *
 * @module
 */
export type { FeatureAnswer } from "./check_kernel.ts";
export type { Limit } from "./check_limits.ts";
export type { ConfigProblem, LoadTrial, SensorTrial } from "./check_program.ts";
export type { RuntimeEndpoint, RuntimesLook, UnusedSocket } from "./check_runtimes.ts";
export {
  type ConfigSituation,
  type Examination,
  examineHost,
  type HostSources,
} from "./examine_host.ts";
export type { Finding, FindingStatus } from "./finding.ts";
export { encodeExamination, formatExamination } from "./format_examination.ts";
export { BundleError, makeBundle, writeBundle } from "./make_bundle.ts";
