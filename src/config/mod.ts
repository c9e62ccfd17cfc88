/**
 * File, environment and flags become one frozen config; mistakes are told with file and line.
 *
 * @module
 */
export {
  type ConfigSources,
  DEFAULT_CONFIG_PATH,
  loadConfig,
  type LoadedConfig,
  type ValueChecks,
} from "./load_config.ts";
export { nearestWord } from "./nearest_word.ts";
export {
  type Config,
  type ConfigOption,
  environmentName,
  OPTION_GROUPS,
  type OptionCommand,
  type OptionName,
  OPTIONS,
  optionsOf,
} from "./options.ts";
export { ConfigError, type Problem, problemText } from "./problem.ts";
export { formatSize, quote, Rejected } from "./value.ts";
