/**
 * Keys of documents and of what stands directly in `spec`, one row each.
 *
 * @module
 */
import type { KeyTable, RefusedKey, Section } from "./section.ts";

const WRITTEN_BY_KUBERNETES: RefusedKey = {
  refused: "Kubernetes writes it into what it stores",
  nearest: "take it away: it says nothing about the policy",
};

/** The whole document. */
export const DOCUMENT: Section = {
  name: "the document",
  keys: {
    apiVersion: {
      kind: "text",
      what: "cilium.io/v1alpha1, or shrike.io/v1alpha1 for our additions",
      isRequired: true,
    },
    kind: { kind: "text", what: "TracingPolicy", isRequired: true },
    metadata: { kind: "map", what: "name: NAME below it", isRequired: true },
    spec: { kind: "map", what: "kprobes, tracepoints or lsmhooks below it", isRequired: true },
    status: WRITTEN_BY_KUBERNETES,
  },
};

/** Below `metadata`. */
export const METADATA: Section = {
  name: "metadata",
  keys: {
    name: { kind: "text", what: "a name of small letters, digits, - and .", isRequired: true },
    namespace: { kind: "text", what: "the namespace of the pods" },
    labels: { kind: "map", what: "labels for people; policies do not look at them" },
    annotations: { kind: "map", what: "notes for people; policies do not look at them" },
    generateName: {
      refused: "nobody makes a name here",
      nearest: "write name: NAME",
    },
    creationTimestamp: WRITTEN_BY_KUBERNETES,
    deletionGracePeriodSeconds: WRITTEN_BY_KUBERNETES,
    deletionTimestamp: WRITTEN_BY_KUBERNETES,
    finalizers: WRITTEN_BY_KUBERNETES,
    generation: WRITTEN_BY_KUBERNETES,
    managedFields: WRITTEN_BY_KUBERNETES,
    ownerReferences: WRITTEN_BY_KUBERNETES,
    resourceVersion: WRITTEN_BY_KUBERNETES,
    selfLink: WRITTEN_BY_KUBERNETES,
    uid: WRITTEN_BY_KUBERNETES,
  },
};

/** Whom a policy is about; also in `matchWorkloads` and in bindings. */
export const WORKLOAD_KEYS = {
  podSelector: { kind: "map", what: "matchLabels or matchExpressions on the labels of pods" },
  containerSelector: { kind: "map", what: "matchLabels or matchExpressions on name" },
  hostSelector: { kind: "map", what: "{}: what runs in no pod and no container" },
  workloadSelector: {
    kind: "any",
    what: "kind, name, image, label, unit, slice, user or cgroupPath, or a list of such",
    isExtension: true,
  },
} as const satisfies KeyTable;

const SPEC_KEYS = {
  kprobes: { kind: "list", what: "functions and system calls" },
  tracepoints: { kind: "list", what: "tracepoints, named or raw" },
  lsmhooks: { kind: "list", what: "LSM hooks" },
  lists: { kind: "list", what: "name and values" },
  options: { kind: "list", what: "name and value" },
  selectorsMacros: { kind: "map", what: "selectors by name" },
  mode: { kind: "text", what: "enforce or monitor", isExtension: true },
  require: { kind: "text", what: "prevent, kill-after or observe", isExtension: true },
  uprobes: {
    refused: "functions of programs are not hooked",
    nearest: "hook the system call or kernel function that the program uses: kprobes",
  },
  usdts: {
    refused: "probes of programs are not hooked",
    nearest: "hook the system call or kernel function that the program uses: kprobes",
  },
  fentries: {
    refused: "there is one way to hook a function",
    nearest: "write them below kprobes: the keys are the same",
  },
  loader: {
    refused: "loads of shared libraries are not told",
    nearest: "hook security_mmap_file with kprobes",
  },
  enforcers: {
    refused: "calls are made to fail where they are hooked",
    nearest: "add the action Override or Sigkill to the kprobe of the system call",
  },
  nodeSelector: {
    refused: "labels of nodes are not known here",
    nearest: "load the policy only on the hosts that need it",
  },
} as const satisfies KeyTable;

/** `spec` of a policy. */
export const SPEC: Section = { name: "spec", keys: { ...WORKLOAD_KEYS, ...SPEC_KEYS } };

const SAID_BY_BINDING: RefusedKey = {
  refused: "a template is for nobody until it is bound",
  nearest: "write it into the TracingPolicyBinding",
};

/** `spec` of a template. */
export const TEMPLATE_SPEC: Section = {
  name: "spec",
  keys: {
    variables: { kind: "list", what: "name and type of each variable", isExtension: true },
    ...SPEC_KEYS,
    podSelector: SAID_BY_BINDING,
    containerSelector: SAID_BY_BINDING,
    hostSelector: SAID_BY_BINDING,
    workloadSelector: SAID_BY_BINDING,
  },
};

/** One of `variables`. */
export const VARIABLE: Section = {
  name: "a variable",
  keys: {
    name: { kind: "text", what: "a name of letters, digits, - and _", isRequired: true },
    type: { kind: "text", what: "such as string, stringList, int, intList", isRequired: true },
    default: { kind: "texts", what: "what it has where a binding says nothing" },
  },
};

/** `spec` of a binding. */
export const BINDING_SPEC: Section = {
  name: "spec",
  keys: {
    template: { kind: "text", what: "the name of a TracingPolicyTemplate", isRequired: true },
    values: { kind: "map", what: "a value or a list per variable" },
    ...WORKLOAD_KEYS,
    mode: { kind: "text", what: "enforce or monitor, in place of the template's" },
    overrideAllowed: { kind: "boolean", what: "true: another binding may take its place" },
    overridePriority: { kind: "integer", what: "the highest holds, of those that allow it" },
  },
};

/** One of `lists`. */
export const LIST: Section = {
  name: "a list",
  keys: {
    name: { kind: "text", what: "a name, used as list:NAME", isRequired: true },
    type: { kind: "text", what: "syscalls, or nothing for functions" },
    values: { kind: "list", what: "names of functions or system calls", isRequired: true },
    pattern: {
      refused: "names are not searched in the kernel",
      nearest: "write the names below values",
    },
  },
};

/** One of `options`. */
export const OPTION: Section = {
  name: "an option",
  keys: {
    name: { kind: "text", what: "policy-mode or undecided", isRequired: true },
    value: { kind: "text", what: "its value", isRequired: true },
  },
};

/** `podSelector` and `containerSelector`. */
export const LABEL_SELECTOR: Section = {
  name: "a label selector",
  keys: {
    matchLabels: { kind: "map", what: "a value per label" },
    matchExpressions: { kind: "list", what: "key, operator and values" },
  },
};

/** One of `matchExpressions`. */
export const LABEL_EXPRESSION: Section = {
  name: "a label expression",
  keys: {
    key: { kind: "text", what: "the label", isRequired: true },
    operator: { kind: "text", what: "In, NotIn, Exists or DoesNotExist", isRequired: true },
    values: { kind: "list", what: "what the label may be" },
  },
};

/** `hostSelector`. */
export const HOST_SELECTOR: Section = {
  name: "hostSelector",
  keys: {
    matchLabels: {
      refused: "hosts have no labels here",
      nearest: "write hostSelector: {}",
    },
    matchExpressions: {
      refused: "hosts have no labels here",
      nearest: "write hostSelector: {}",
    },
  },
};

/** `workloadSelector`, ours; all keys must hold, words are globs. */
export const WORKLOAD_SELECTOR: Section = {
  name: "a workload selector",
  keys: {
    kind: { kind: "texts", what: "container, pod, service, scope, slice, session or host" },
    name: { kind: "texts", what: "names, such as web-*" },
    image: { kind: "texts", what: "names of images, such as *nginx:*" },
    label: { kind: "map", what: "a value or a list per label; nothing: it only has to be there" },
    unit: { kind: "texts", what: "units of systemd, such as ssh.service" },
    slice: { kind: "texts", what: "slices of systemd, such as user.slice" },
    user: { kind: "texts", what: "uids of sessions and user slices" },
    cgroupPath: { kind: "texts", what: "paths such as /system.slice/*" },
    podLabel: { kind: "map", what: "as label, of pods" },
    podNamespace: { kind: "texts", what: "namespaces of pods" },
    containerName: { kind: "texts", what: "names of containers, in pods as the pod calls them" },
    runtime: { kind: "texts", what: "docker, podman, containerd, cri-o" },
  },
};
