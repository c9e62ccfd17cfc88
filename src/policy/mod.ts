/**
 * Policies: their language, what they become in the kernel, and what may be asked of them.
 *
 * @module
 */
export type {
  AddOptions,
  PolicyComplaint,
  PolicyHits,
  PolicyOutcome,
  PolicyPlan,
  PolicyService,
  PolicySource,
  PolicyState,
  PolicyStatus,
  RuleStatus,
} from "./policy_service.ts";
export type * from "./model.ts";
export {
  bindTemplate,
  type BoundPolicy,
  type PolicySet,
  resolvePolicies,
} from "./language/bind_template.ts";
export type {
  PolicyDocument,
  PolicyTemplate,
  TemplateBinding,
} from "./language/policy_document.ts";
export {
  type PolicyFile,
  type PolicyFiles,
  type PolicySources,
  readPolicyFiles,
  SYSTEM_POLICY_SOURCES,
} from "./language/policy_files.ts";
export { placeText, type PolicyProblem, problemLine } from "./language/policy_problem.ts";
export {
  type ReadFile,
  readingPolicies,
  type ReadOptions,
  readPolicies,
} from "./language/read_documents.ts";
export { CancelledError, finish, finishInSlices, type Steps } from "./slices.ts";
export { type DocumentText, splitDocuments } from "./language/split_documents.ts";
export {
  type HostNamespaces,
  unknownHostNamespaces,
  withHostNamespaces,
} from "./host_namespaces.ts";
export {
  type Architecture,
  knownSyscalls,
  syscallFunction,
  syscallName,
  syscallNumber,
} from "./syscalls.ts";
export { SOCKETCALL_NUMBER, type SyscallPlaces, syscallPlaces } from "./compat_syscalls.ts";
export {
  type HookInUse,
  type PolicyChange,
  PolicyTables,
  type PolicyTablesOptions,
  type RestingBits,
} from "./compile/policy_tables.ts";
export type {
  Ability,
  KernelAbilities,
  PointState,
  ReplaceMeans,
  SyscallFunctions,
} from "./kernel_abilities.ts";
export {
  type HookMeans,
  type HookObstacle,
  type HookPlan,
  type OverrideMeans,
  type OverridePlan,
  planHook,
} from "./plan_hook.ts";
export { OTHER_TABLE_PREFIXES, syscallEntries, type SyscallEntry } from "./syscall_entries.ts";
export {
  asksForMore,
  pointText,
  policyGuarantee,
  type PolicyObstacle,
  type PolicyOutlook,
  policyOutlook,
  type RuleGuarantee,
} from "./guarantee.ts";
export {
  type ComingPolicy,
  complaintAt,
  type LibraryChange,
  PolicyLibrary,
} from "./library/policy_library.ts";
export { type FixedPolicies, fixPolicies } from "./fix/fix_policies.ts";
export { type PolicyNote, policyNotes } from "./notes/policy_notes.ts";
export { planPolicies } from "./library/plan_policies.ts";
export {
  type KnownName,
  knownName,
  type KnownPast,
  pastsOf,
  type RunningProcess,
} from "./library/process_pasts.ts";
export { shortestName } from "./library/shortest_name.ts";
export { PolicyRecord } from "./hits/policy_record.ts";
export { HitEvents } from "./hits/tell_hits.ts";
export { PolicyRefusal } from "./compile/policy_refusal.ts";
export { WorkloadSets } from "./workloads/workload_sets.ts";
export type { SetCgroup } from "./workloads/set_index.ts";
export { randomSipSecret, sipHash, type SipSecret } from "./compile/sip_hash.ts";
export type {
  EffectField,
  KernelArg,
  KernelDim,
  TableWriter,
  ValueTable,
} from "./compile/table_writer.ts";
