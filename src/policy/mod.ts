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
export type { Guarantee, PolicyMode } from "./model.ts";
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
export { type ReadFile, type ReadOptions, readPolicies } from "./language/read_documents.ts";
export { type DocumentText, splitDocuments } from "./language/split_documents.ts";
export { type Architecture, syscallFunction, syscallName, syscallNumber } from "./syscalls.ts";
