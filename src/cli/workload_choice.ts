/**
 * Which workloads `cgroups` and `workloads` list.
 *
 * @module
 */
import type { Config } from "../config/mod.ts";
import type { Workload } from "../events/mod.ts";
import { UserNames, workloadFilter } from "../export/mod.ts";
import { Counters } from "../telemetry/mod.ts";
import { filterChecks } from "./filter_checks.ts";
import { filtersOf } from "./selection.ts";
import { loadSettings } from "./settings.ts";
import type { TypedSettings } from "./table_options.ts";
import type { Terminal } from "./terminal.ts";

/** The settings of a list, and what they choose. */
export interface WorkloadChoice {
  readonly config: Config;
  isChosen(workload: Workload): boolean;
}

/** @throws {ConfigError} */
export function loadWorkloadChoice(typed: TypedSettings, terminal: Terminal): WorkloadChoice {
  const names = new UserNames({ counters: new Counters() });
  const config = loadSettings(typed, terminal, filterChecks(names));
  const { kinds } = config;
  // Filters of the config file are those of `run`.
  const holds = workloadFilter(filtersOf({ ...config, filters: [] }));
  return {
    config,
    isChosen: (workload) =>
      (kinds.length === 0 || kinds.includes(workload.kind)) && holds(workload),
  };
}
