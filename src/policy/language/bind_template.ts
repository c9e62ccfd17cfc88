/**
 * Templates with the values of bindings become policies.
 *
 * @module
 */
import type { Policy } from "../model.ts";
import type { Architecture } from "../syscalls.ts";
import { TEMPLATE_SPEC } from "./document_sections.ts";
import type { PolicyDocument, PolicyTemplate, TemplateBinding } from "./policy_document.ts";
import { placeText, type PolicyProblem, PolicyProblems, quoted } from "./policy_problem.ts";
import { documentKey } from "./read_documents.ts";
import { readSpec } from "./read_spec.ts";
import { openSection, suggestion } from "./section.ts";
import { type BoundVariable, checkVariableValues } from "./variables.ts";

/** What is to be loaded. */
export interface PolicySet {
  /** Those that are written out, and one per binding. */
  readonly policies: readonly Policy[];
  readonly templates: ReadonlyMap<string, PolicyTemplate>;
  readonly bindings: readonly TemplateBinding[];
  readonly problems: readonly PolicyProblem[];
  /** Mistakes beyond those that are told. */
  readonly omittedCount: number;
}

/** One binding. */
export interface BoundPolicy {
  /** Missing when there are problems. */
  readonly policy?: Policy;
  readonly problems: readonly PolicyProblem[];
}

/** Joins the documents of all files: names are taken once, each binding finds its template. */
export function resolvePolicies(
  documents: readonly PolicyDocument[],
  { architecture = Deno.build.arch }: { architecture?: Architecture } = {},
): PolicySet {
  const problems = new PolicyProblems();
  const taken = new Map<string, string>();
  const policies: Policy[] = [];
  const templates = new Map<string, PolicyTemplate>();
  const bindings: TemplateBinding[] = [];
  for (const document of documents) {
    const { key, place } = documentKey(document);
    const other = taken.get(key);
    if (other !== undefined) {
      const text = `the name ${key} is taken at ${other}`;
      problems.add({ place, path: "metadata.name" }, text, "give one another name");
      continue;
    }
    taken.set(key, placeText(place));
    if (document.kind === "policy") policies.push(document.policy);
    else if (document.kind === "template") templates.set(document.template.name, document.template);
    else bindings.push(document.binding);
  }
  for (const binding of bindings) {
    const template = templates.get(binding.template);
    if (template === undefined) {
      const text = quoted(binding.template, "is no template that is loaded");
      problems.add(binding.templateSpot, text, suggestion(binding.template, [...templates.keys()]));
      continue;
    }
    const policy = bind(template, binding, { problems, architecture });
    if (policy !== undefined) policies.push(policy);
  }
  const { problems: all, omittedCount } = problems;
  return { policies, templates, bindings, problems: all, omittedCount };
}

/** The policy that a binding makes of a template. */
export function bindTemplate(
  template: PolicyTemplate,
  binding: TemplateBinding,
  { architecture = Deno.build.arch }: { architecture?: Architecture } = {},
): BoundPolicy {
  const problems = new PolicyProblems();
  const policy = bind(template, binding, { problems, architecture });
  return { ...(policy === undefined ? {} : { policy }), problems: problems.problems };
}

function bind(
  template: PolicyTemplate,
  binding: TemplateBinding,
  { problems, architecture }: { problems: PolicyProblems; architecture: Architecture },
): Policy | undefined {
  const before = problems.count;
  const variables = bindVariables(template, binding, problems);
  if (problems.count > before) return undefined;
  const reading = {
    problems,
    isExtended: true,
    architecture,
    variables,
    ...(binding.mode === undefined ? {} : { mode: binding.mode }),
  };
  const fields = openSection(template.spec, TEMPLATE_SPEC, reading);
  if (fields === undefined) return undefined;
  const spec = readSpec(fields, reading);
  if (problems.count > before) return undefined;
  const { name, place, workloads, overrideAllowed, overridePriority } = binding;
  const origin = { template: template.name, name, overrideAllowed, overridePriority };
  return { name, place, workloads, ...spec, binding: origin };
}

function bindVariables(
  template: PolicyTemplate,
  binding: TemplateBinding,
  problems: PolicyProblems,
): ReadonlyMap<string, BoundVariable> {
  const reading = { problems, isExtended: true };
  for (const [name, { spot }] of binding.values) {
    if (template.variables.has(name)) continue;
    const text = quoted(name, `is no variable of template ${template.name}`);
    problems.add(spot, text, suggestion(name, [...template.variables.keys()]));
  }
  const bound = new Map<string, BoundVariable>();
  for (const [name, variable] of template.variables) {
    const given = binding.values.get(name);
    const values = given === undefined
      ? variable.initial
      : checkVariableValues(variable, given.node, reading);
    if (values !== undefined) bound.set(name, { variable, values });
    else if (given === undefined) {
      const text = `variable ${name} has no value, and template ${template.name} no default`;
      problems.add(binding.valuesSpot, text, `write it below values: ${variable.element.what}`);
    }
  }
  return bound;
}
