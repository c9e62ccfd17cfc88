/**
 * What the main thread remembers: the process cache and the start-up scan. Changed only by facts.
 *
 * @module
 */
export type { CachedProcess } from "./cache_entry.ts";
export type { CgroupState, CgroupTracking, KnownCgroup } from "./cgroup_entry.ts";
export { CgroupTable } from "./cgroup_table.ts";
export type {
  CgroupChange,
  CgroupListener,
  CgroupTableOptions,
  RecalledCgroup,
} from "./cgroup_table_options.ts";
export { type FoundImage, ProcessCache, type ProcessCacheOptions } from "./process_cache.ts";
export { type GivenName, readGivenName } from "./given_name.ts";
export type { EnteredListener, Identity, IdentityOf } from "./process_identity.ts";
export { hasEnded, parseStat } from "./proc_text.ts";
export { buildProcessTree, type ProcessTree } from "./process_tree.ts";
export { type FoundProcess, resolveStartup, type StartupPlan } from "./startup_merge.ts";
export {
  type ProcessReader,
  ProcReader,
  readNamespaces,
  type ScanOptions,
  scanProcesses,
} from "./startup_scan.ts";
export { TidRule } from "./tid_rule.ts";
