/**
 * What a file may have: policies, templates, bindings of templates.
 *
 * @module
 */
import type { Place, Policy, PolicyMode, WorkloadSelector } from "../model.ts";
import type { Spot } from "./policy_problem.ts";
import type { TemplateVariable } from "./variables.ts";
import type { YamlNode } from "./yaml_tree.ts";

/** A policy with variables; bindings make policies of it. */
export interface PolicyTemplate {
  readonly name: string;
  readonly place: Place;
  readonly variables: ReadonlyMap<string, TemplateVariable>;
  /** Read again for each binding. */
  readonly spec: YamlNode;
}

/** Values for the variables of a template, and for whom. */
export interface TemplateBinding {
  /** Also the name of the policy. */
  readonly name: string;
  readonly place: Place;
  readonly template: string;
  readonly templateSpot: Spot;
  readonly valuesSpot: Spot;
  /** By variable. */
  readonly values: ReadonlyMap<string, { readonly spot: Spot; readonly node: YamlNode }>;
  readonly workloads: readonly WorkloadSelector[];
  readonly mode?: PolicyMode;
  readonly overrideAllowed: boolean;
  readonly overridePriority: number;
}

/** One document that is right as far as it can be known alone. */
export type PolicyDocument =
  | { readonly kind: "policy"; readonly policy: Policy }
  | { readonly kind: "template"; readonly template: PolicyTemplate }
  | { readonly kind: "binding"; readonly binding: TemplateBinding };
