/**
 * Each kind of section of a policy within a document, with an example of each of its keys.
 *
 * @module
 */
import {
  BINDING_SPEC,
  DOCUMENT,
  HOST_SELECTOR,
  LABEL_EXPRESSION,
  LABEL_SELECTOR,
  LIST,
  METADATA,
  OPTION,
  SPEC,
  TEMPLATE_SPEC,
  VARIABLE,
  WORKLOAD_SELECTOR,
} from "../../src/policy/language/document_sections.ts";
import {
  ARGUMENT,
  IGNORE,
  KPROBE,
  LSM_HOOK,
  TRACEPOINT,
} from "../../src/policy/language/hook_sections.ts";
import type { Section } from "../../src/policy/language/section.ts";
import {
  ACTION,
  MATCH_ARGUMENT,
  MATCH_BINARY,
  MATCH_CAPABILITY,
  MATCH_NAMESPACE,
  MATCH_PID,
  MATCH_RETURN,
  MATCH_WORKLOAD,
  SELECTOR,
} from "../../src/policy/language/selector_sections.ts";

/** A kind of section within a whole document, and an example of each key it reads. */
export interface SectionCase {
  readonly section: Section;
  /** The keys stand in place of "@". */
  readonly document: string;
  /** Keys that are always needed, besides the one that is tried. */
  readonly needed?: Readonly<Record<string, string>>;
  /** Each supported key with a value that is right. */
  readonly examples: Readonly<Record<string, string>>;
}

const METADATA_TEXT = "metadata: {name: p}";
const HEAD = `apiVersion: shrike.io/v1alpha1\nkind: TracingPolicy\n${METADATA_TEXT}\n`;
const HOOK = "lsmhooks: [{hook: file_open}]";
const TEMPLATE = `apiVersion: shrike.io/v1alpha1\nkind: TracingPolicyTemplate\n${METADATA_TEXT}\n` +
  "spec: {variables: [{name: v, type: stringList, default: [x]}], lsmhooks: [{hook: file_open}]}\n";
const BINDING = "---\napiVersion: shrike.io/v1alpha1\nkind: TracingPolicyBinding\n" +
  "metadata: {name: b}\nspec: ";
const OWN_TEMPLATE =
  `apiVersion: shrike.io/v1alpha1\nkind: TracingPolicyTemplate\n${METADATA_TEXT}\n` +
  "spec: {variables: [{name: v, type: stringList, default: ['1']}], ";
const KPROBE_ARGS = "args: [{index: 0, type: string}, {index: 1, type: int}]";
const RETURNS = "return: true, returnArg: {index: 0, type: int}";

function spec(keys: string): string {
  return `${HEAD}spec: {${keys}}\n`;
}

function kprobe(keys: string): string {
  return spec(`kprobes: [{call: f, syscall: false, ${KPROBE_ARGS}, ${RETURNS}, ${keys}}]`);
}

function templateCondition(key: string): string {
  return `${OWN_TEMPLATE}kprobes: [{call: f, syscall: false, ${KPROBE_ARGS}, ${RETURNS}, ` +
    `selectors: [{${key}: [{@}]}]}]}\n`;
}

const WORKLOAD_EXAMPLES = {
  podSelector: "{matchLabels: {app: web}}",
  containerSelector: "{matchLabels: {name: web}}",
  hostSelector: "{}",
  workloadSelector: "{kind: container}",
};
const HOOK_EXAMPLES = {
  args: "[{index: 0, type: nop}]",
  selectors: "[{label: x}]",
  message: "hello",
  tags: "[a, b]",
};
const VALUES = { operator: "In", values: "['1']", valuesFromVariable: "v" };
const SPEC_EXAMPLES = {
  kprobes: "[{call: sys_openat}]",
  tracepoints: "[{subsystem: sched, event: sched_switch}]",
  lsmhooks: "[{hook: file_open}]",
  lists: "[{name: l, values: [f]}]",
  options: "[{name: policy-mode, value: monitor}]",
  selectorsMacros: "{m: {label: x}}",
  mode: "monitor",
  require: "prevent",
};

/** All kinds of sections. */
export const SECTION_CASES: readonly SectionCase[] = [
  {
    section: DOCUMENT,
    document: "{@}\n",
    needed: {
      apiVersion: "shrike.io/v1alpha1",
      kind: "TracingPolicy",
      metadata: "{name: p}",
      spec: `{${HOOK}}`,
    },
    examples: {
      apiVersion: "shrike.io/v1alpha1",
      kind: "TracingPolicy",
      metadata: "{name: q}",
      spec: "{lsmhooks: [{hook: file_open}]}",
    },
  },
  {
    section: METADATA,
    document: "apiVersion: cilium.io/v1alpha1\nkind: TracingPolicyNamespaced\nmetadata: {@}\n" +
      `spec: {${HOOK}}\n`,
    needed: { name: "p" },
    examples: { name: "q", namespace: "web", labels: "{a: b}", annotations: "{a: b}" },
  },
  {
    section: SPEC,
    document: spec("@"),
    needed: { lsmhooks: "[{hook: file_open}]" },
    examples: { ...WORKLOAD_EXAMPLES, ...SPEC_EXAMPLES },
  },
  {
    section: TEMPLATE_SPEC,
    document: spec("@").replace("TracingPolicy", "TracingPolicyTemplate"),
    needed: { lsmhooks: "[{hook: file_open}]" },
    examples: { variables: "[{name: v, type: int}]", ...SPEC_EXAMPLES },
  },
  {
    section: VARIABLE,
    document: `${OWN_TEMPLATE.replace(/variables: .*\], $/, "variables: [{@}], ")}${HOOK}}\n`,
    needed: { name: "v", type: "string" },
    examples: { name: "w", type: "intList", default: "x" },
  },
  {
    section: BINDING_SPEC,
    document: `${TEMPLATE}${BINDING}{@}\n`,
    needed: { template: "p" },
    examples: {
      template: "p",
      values: "{v: [y]}",
      ...WORKLOAD_EXAMPLES,
      mode: "monitor",
      overrideAllowed: "true",
      overridePriority: "0, overrideAllowed: true",
    },
  },
  {
    section: LIST,
    document: spec("lists: [{@}], kprobes: [{call: 'list:l', syscall: false}]"),
    needed: { name: "l", values: "[f]" },
    examples: { name: "l", type: "null", values: "[f, g]" },
  },
  {
    section: OPTION,
    document: spec(`${HOOK}, options: [{@}]`),
    needed: { name: "policy-mode", value: "monitor" },
    examples: { name: "policy-mode", value: "enforce" },
  },
  {
    section: LABEL_SELECTOR,
    document: spec(`${HOOK}, podSelector: {@}`),
    examples: { matchLabels: "{a: b}", matchExpressions: "[{key: a, operator: Exists}]" },
  },
  {
    section: LABEL_EXPRESSION,
    document: spec(`${HOOK}, podSelector: {matchExpressions: [{@}]}`),
    needed: { key: "a", operator: "In", values: "[b]" },
    examples: { key: "c", operator: "NotIn", values: "[b, c]" },
  },
  { section: HOST_SELECTOR, document: spec(`${HOOK}, hostSelector: {@}`), examples: {} },
  {
    section: WORKLOAD_SELECTOR,
    document: spec(`${HOOK}, workloadSelector: {@}`),
    examples: {
      kind: "[service, scope]",
      name: "web-*",
      image: "'*nginx*'",
      label: "{app: [web, api], canary: }",
      unit: "ssh.service",
      slice: "user.slice",
      user: "1000",
      cgroupPath: "/system.slice/*",
      podLabel: "{app: web}",
      podNamespace: "[default]",
      containerName: "app",
      runtime: "docker",
    },
  },
  {
    section: KPROBE,
    document: spec("kprobes: [{@}]"),
    needed: { call: "sys_openat" },
    examples: {
      call: "sys_close",
      syscall: "true",
      return: "true, returnArg: {index: 0, type: int}",
      returnArg: "{index: 0, type: int}, return: true",
      ignore: "{callNotFound: true}",
      ...HOOK_EXAMPLES,
    },
  },
  {
    section: IGNORE,
    document: spec("kprobes: [{call: sys_openat, ignore: {@}}]"),
    examples: { callNotFound: "true" },
  },
  {
    section: TRACEPOINT,
    document: spec("tracepoints: [{@}]"),
    needed: { subsystem: "sched", event: "sched_switch" },
    examples: { subsystem: "task", event: "task_rename", raw: "true", ...HOOK_EXAMPLES },
  },
  {
    section: LSM_HOOK,
    document: spec("lsmhooks: [{@}]"),
    needed: { hook: "file_open" },
    examples: { hook: "bprm_check_security", ...HOOK_EXAMPLES },
  },
  {
    section: ARGUMENT,
    document: spec("kprobes: [{call: sys_write, args: [{@}]}]"),
    needed: { index: "0", type: "char_buf", sizeArgIndex: "3" },
    examples: {
      index: "1",
      type: "char_buf",
      label: "x",
      sizeArgIndex: "4",
      sizeMax: "100",
    },
  },
  {
    section: SELECTOR,
    document: kprobe("selectors: [{@}]").replace("spec: {", "spec: {selectorsMacros: {m: {}}, "),
    examples: {
      label: "x",
      matchPIDs: "[{operator: In, values: [1]}]",
      matchBinaries: "[{operator: In, values: [/a]}]",
      matchArgs: "[{index: 0, operator: Equal, values: [/a]}]",
      matchReturnArgs: "[{index: 0, operator: Equal, values: [0]}]",
      matchNamespaces: "[{namespace: Pid, operator: In, values: [host_ns]}]",
      matchCapabilities: "[{operator: In, values: [CAP_BPF]}]",
      matchWorkloads: "{hostSelector: {}}",
      matchActions: "[{action: NoPost}]",
      matchReturnActions: "[{action: Post}]",
      macros: "[m]",
    },
  },
  {
    section: MATCH_PID,
    document: templateCondition("matchPIDs").replace("stringList", "intList"),
    needed: { operator: "In", values: "[1]" },
    examples: { ...VALUES, isNamespacePID: "true", followForks: "true" },
  },
  {
    section: MATCH_BINARY,
    document: templateCondition("matchBinaries"),
    needed: { operator: "In", values: "[/a]" },
    examples: VALUES,
  },
  {
    section: MATCH_ARGUMENT,
    document: templateCondition("matchArgs"),
    needed: { index: "0", operator: "Equal", values: "[/a]" },
    examples: { ...VALUES, operator: "Prefix", index: "0", args: "[0]" },
  },
  {
    section: MATCH_RETURN,
    document: templateCondition("matchReturnArgs"),
    needed: { operator: "Equal", values: "[0]" },
    examples: { ...VALUES, operator: "GT", index: "0" },
  },
  {
    section: MATCH_NAMESPACE,
    document: templateCondition("matchNamespaces"),
    needed: { namespace: "Mnt", operator: "In", values: "[1]" },
    examples: { ...VALUES, namespace: "Net" },
  },
  {
    section: MATCH_CAPABILITY,
    document: templateCondition("matchCapabilities"),
    needed: { operator: "In", values: "[CAP_BPF]" },
    examples: { ...VALUES, values: "[CAP_CHOWN]", type: "Permitted" },
  },
  {
    section: MATCH_WORKLOAD,
    document: kprobe("selectors: [{matchWorkloads: {@}}]"),
    examples: WORKLOAD_EXAMPLES,
  },
  {
    section: ACTION,
    document: spec("lsmhooks: [{hook: file_open, selectors: [{matchActions: [{@}]}]}]"),
    needed: { action: "Override", argError: "-1" },
    examples: { action: "Override", argError: "-2", argSig: "9, action: Signal" },
  },
];

/** Keys that take the place of others. */
const EXCLUDES: Readonly<Record<string, readonly string[]>> = {
  workloadSelector: ["podSelector", "containerSelector", "hostSelector"],
  valuesFromVariable: ["values"],
  args: ["index"],
  argSig: ["action", "argError"],
};

/** The document with the needed keys and one more. */
export function withKey(
  { document, needed = {} }: SectionCase,
  key: string,
  value: string,
): string {
  const isPlaced = document.includes("matchArgs: [{@}]") || key !== "args";
  const left = Object.entries(needed).filter(([name]) =>
    name !== key && !(isPlaced && EXCLUDES[key]?.includes(name))
  );
  const keys = [...left.map(([name, value]) => `${name}: ${value}`), `${key}: ${value}`];
  return document.replace("@", keys.join(", "));
}
