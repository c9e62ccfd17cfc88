/**
 * File, environment and flags become one frozen config; mistakes are told with file and line.
 *
 * @module
 */
export {
  CONFIG_SIZE_MAX,
  type ConfigSources,
  DEFAULT_CONFIG_PATH,
  loadConfig,
  type LoadedConfig,
  type ValueChecks,
} from "./load_config.ts";
export { addressText, type MetricsAddress } from "./metrics_address.ts";
export { type ConfigOption, OPTION_GROUPS, type OptionCommand } from "./option.ts";
export { type Config, environmentName, type OptionName, OPTIONS, optionsOf } from "./options.ts";
export { OFF } from "./policy_options.ts";
export { ConfigError, type Problem, problemText } from "./problem.ts";
export type { RuntimeSocket } from "./runtime_socket.ts";
export { nearestWord, quote } from "../telemetry/mod.ts";
export { formatDuration, formatSize, Rejected } from "./value.ts";
