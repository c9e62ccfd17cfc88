/**
 * What the agent answers, back from JSON.
 *
 * @module
 */
import type { PolicyComplaint, PolicyPlan, PolicyStatus, RuleStatus } from "../policy/mod.ts";
import type { JsonFields } from "./json_fields.ts";

const STATES = ["enabled", "disabled", "load_error"] as const;
const MODES = ["enforce", "monitor", "monitor_only"] as const;
const GUARANTEES = ["prevent", "kill-after", "observe"] as const;
const OVERRIDE_MEANS = ["lsm", "fmod_ret", "override_return"] as const;

/** @throws {JsonFieldError} as all of these */
export function readPolicy(fields: JsonFields): PolicyStatus {
  const hits = fields.object("hits");
  const namespace = fields.optionalText("namespace");
  const binding = fields.has("binding") ? fields.object("binding") : undefined;
  const error = fields.optionalText("error");
  const hint = fields.optionalText("hint");
  return {
    name: fields.text("name"),
    ...(namespace !== undefined && { namespace }),
    ...(binding && { binding: { template: binding.text("template"), name: binding.text("name") } }),
    state: fields.word("state", STATES),
    mode: fields.word("mode", MODES),
    guarantee: fields.word("guarantee", GUARANTEES),
    workloads: fields.isNull("workloads") ? null : fields.count("workloads"),
    hits: {
      post: hits.count("post"),
      signal: hits.count("signal"),
      override: hits.count("override"),
      monitored: hits.count("monitored"),
    },
    kernelSize: fields.count("kernel_size"),
    source: fields.text("source"),
    isPersistent: fields.flag("persistent"),
    ...(error !== undefined && { error }),
    ...(hint !== undefined && { hint }),
    rules: fields.objects("rules").map(readRule),
  };
}

function readRule(fields: JsonFields): RuleStatus {
  const reason = fields.optionalText("reason");
  const by = fields.has("by") ? fields.word("by", OVERRIDE_MEANS) : undefined;
  return {
    hook: fields.text("hook"),
    selector: fields.text("selector"),
    actions: fields.texts("actions"),
    guarantee: fields.word("guarantee", GUARANTEES),
    ...(by !== undefined && { by }),
    ...(reason !== undefined && { reason }),
  };
}

export function readComplaint(fields: JsonFields): PolicyComplaint {
  return {
    file: fields.text("file"),
    line: fields.count("line"),
    column: fields.count("column"),
    text: fields.text("text"),
    hint: fields.text("hint"),
  };
}

export function readPlan(fields: JsonFields): PolicyPlan {
  return {
    policies: fields.objects("policies").map(readPolicy),
    hooks: fields.objects("hooks").map((hook) => ({
      hook: hook.text("hook"),
      isNew: hook.flag("new"),
    })),
    kernelSize: fields.integer("kernel_size"),
    workloads: fields.objects("workloads").map((each) => ({
      policy: each.text("policy"),
      names: each.texts("names"),
    })),
    conflicts: fields.texts("conflicts"),
    notes: fields.objects("notes").map(readComplaint),
  };
}
