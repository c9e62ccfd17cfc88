/**
 * The members of an event that say what a policy saw and did: Tetragon's, our own `policy`, and
 * `thread` where its credentials are not those of its process.
 *
 * @module
 */
import type { PolicyEvent } from "../events/mod.ts";
import { jsonString, jsonStrings, pushRaw, pushString } from "./json_text.ts";
import { capabilityNames } from "./kernel_names.ts";
import { policyArgumentJson } from "./policy_arguments.ts";

const ACTION_PREFIX = "KPROBE_ACTION_";

/** Members of the body behind `process` and `parent`, each with its comma before it. */
export function policyMembers(event: PolicyEvent): string {
  const { functionName, subsystem, args, returns, action, returnAction, message, tags } = event;
  // What comes before is there already, so the first member gets its comma too.
  const parts = ["", ""];
  if (event.type === "process_tracepoint") {
    pushString(parts, "subsys", subsystem);
    pushString(parts, "event", functionName);
  } else pushString(parts, "function_name", functionName);
  if (args.length > 0) pushRaw(parts, "args", `[${args.map(policyArgumentJson).join(",")}]`);
  if (returns !== undefined) pushRaw(parts, "return", policyArgumentJson(returns));
  pushRaw(parts, "action", `"${ACTION_PREFIX}${action}"`);
  if (returnAction !== undefined) {
    pushRaw(parts, "return_action", `"${ACTION_PREFIX}${returnAction}"`);
  }
  pushString(parts, "policy_name", event.policy.name);
  pushString(parts, "message", message);
  if (tags.length > 0) pushRaw(parts, "tags", jsonStrings(tags));
  pushRaw(parts, "policy", policyJson(event.policy));
  const thread = threadJson(event);
  if (thread !== "") pushRaw(parts, "thread", thread);
  return parts.join("");
}

function policyJson(policy: PolicyEvent["policy"]): string {
  const parts = ["{"];
  pushString(parts, "name", policy.name);
  pushString(parts, "namespace", policy.namespace);
  pushRaw(parts, "selector", jsonString(policy.selector));
  pushString(parts, "guarantee", policy.guarantee);
  pushString(parts, "mode", policy.mode);
  if (policy.isEnforced) pushRaw(parts, "enforced", "true");
  pushString(parts, "undecided", policy.undecided);
  pushString(parts, "binding", policy.binding);
  return parts.join("") + "}";
}

/** Credentials of the thread; "" when they are those that its process started with. */
function threadJson({ thread, subject }: PolicyEvent): string {
  const { credentials } = subject.process;
  const isSame = IDS.every((key) => thread[key] === credentials[key]) &&
    thread.capEffective === credentials.capEffective;
  if (isSame) return "";
  const parts = ["{"];
  for (const key of IDS) pushRaw(parts, key, String(thread[key]));
  pushRaw(parts, "cap_effective", jsonStrings(capabilityNames(thread.capEffective)));
  return parts.join("") + "}";
}

const IDS = ["uid", "gid", "euid", "egid"] as const;
