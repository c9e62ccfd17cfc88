/**
 * Policies with one mistake each, marked by "^" where it stands.
 *
 * @module
 */
import { documentText, kprobeText } from "./policy_text.ts";

const HOOK = "lsmhooks: [{hook: file_open}]";

function lsm(keys: string): string {
  return documentText(`lsmhooks: [{hook: file_open, ${keys}}]`);
}

function selector(keys: string): string {
  return kprobeText(`selectors: [{${keys}}]`);
}

function action(hook: string, keys: string): string {
  return documentText(`${hook}, selectors: [{matchActions: [{${keys}}]}]}]`);
}

function ours(spec: string, kind = "TracingPolicy"): string {
  return documentText(spec, { api: "shrike.io", kind });
}

/** A text with "^" where the mistake is, its path, and what is told. */
export type Mistake = readonly [text: string, path: string, problem: string];

const DOCUMENT_MISTAKES: readonly Mistake[] = [
  [documentText("^").replace("{^}", "^{}"), "spec", "spec has no hooks"],
  [documentText(HOOK, { kind: "^Policy" }), "kind", '"Policy" is no kind'],
  [
    documentText(HOOK, { kind: "^TracingPolicyTemplate" }),
    "kind",
    "TracingPolicyTemplate is no kind of the published form",
  ],
  [
    documentText(HOOK).replace("cilium", "^cilum"),
    "apiVersion",
    '"cilum.io/v1alpha1" is no apiVersion',
  ],
  [
    documentText(HOOK, { metadata: "name: ^Web" }),
    "metadata.name",
    '"Web" is no name of a policy',
  ],
  [
    documentText(HOOK, { metadata: "name: a, namespace: ^b" }),
    "metadata.namespace",
    "a policy of all namespaces has a namespace",
  ],
  [
    documentText(`^hostSelector: {}, ${HOOK}`, { kind: "TracingPolicyNamespaced" }),
    "spec.hostSelector",
    "a policy of a namespace is not for the host",
  ],
  [
    documentText(`options: [{name: ^policy-modes, value: x}], ${HOOK}`),
    "spec.options[0].name",
    '"policy-modes" is no option',
  ],
  [
    documentText(`options: [{name: policy-mode, value: ^x}], ${HOOK}`),
    "spec.options[0].value",
    '"x" is no value',
  ],
  [
    documentText(`lists: [{name: l, type: ^generated_syscalls, values: [f]}], ${HOOK}`),
    "spec.lists[0].type",
    "type generated_syscalls is not supported: names are not searched in the kernel",
  ],
  [
    documentText(`selectorsMacros: {^m: 7}, ${HOOK}`),
    "spec.selectorsMacros.m",
    'macro "m" has "7"',
  ],
  [
    ours(
      "^mode: monitor_only, " +
        "lsmhooks: [{hook: bpf, selectors: [{matchActions: [{action: Sigkill}]}]}]",
    ),
    "spec.mode",
    "the policy has actions, so monitor_only does not fit",
  ],
  [ours(`require: ^always, ${HOOK}`), "spec.require", '"always" is no require'],
];

const HOOK_MISTAKES: readonly Mistake[] = [
  [
    documentText("kprobes: [{call: ^tcp_connect}]"),
    "spec.kprobes[0].call",
    '"tcp_connect" is no system call',
  ],
  [
    documentText("kprobes: [{call: ^__ia32_sys_open}]"),
    "spec.kprobes[0].call",
    '"__ia32_sys_open" is a call of 32-bit programs, which is not hooked',
  ],
  [
    documentText("kprobes: [{call: ^'a b', syscall: false}]"),
    "spec.kprobes[0].call",
    '"a b" is no name of a function',
  ],
  [
    documentText("kprobes: [{call: ^'list:x'}]"),
    "spec.kprobes[0].call",
    'no list is called "x"',
  ],
  [
    documentText("lists: [{name: x, values: [f]}], kprobes: [{call: ^'list:x'}]"),
    "spec.kprobes[0].call",
    'the list "x" has functions',
  ],
  [
    documentText("lists: [{name: x, type: syscalls, values: [^f]}], kprobes: [{call: 'list:x'}]"),
    "spec.lists[0].values[0]",
    '"f" is no system call',
  ],
  [
    documentText("lsmhooks: [{hook: ^security_file_open}]"),
    "spec.lsmhooks[0].hook",
    '"security_file_open" is no LSM hook',
  ],
  [
    documentText("tracepoints: [{subsystem: ^a/b, event: c}]"),
    "spec.tracepoints[0].subsystem",
    '"a/b" is no subsystem',
  ],
  [
    kprobeText(`^args: [${Array.from({ length: 6 }, () => "{index: 0, type: int}").join(", ")}]`),
    "spec.kprobes[0].args",
    'the function "tcp_connect" has 6 arguments',
  ],
  [
    kprobeText("args: [{index: ^5, type: int}]"),
    "spec.kprobes[0].args[0].index",
    'the function "tcp_connect" has no index 5',
  ],
  [
    kprobeText("args: [{index: ^-1, type: int}]"),
    "spec.kprobes[0].args[0].index",
    'the function "tcp_connect" has no index -1',
  ],
  [
    kprobeText("args: [{index: 0, type: ^filee}]"),
    "spec.kprobes[0].args[0].type",
    '"filee" is no type',
  ],
  [
    kprobeText("args: [^{index: 0, type: char_buf}]"),
    "spec.kprobes[0].args[0]",
    "a char_buf has no sizeArgIndex",
  ],
  [
    kprobeText("args: [{index: 0, type: char_buf, sizeArgIndex: ^6}]"),
    "spec.kprobes[0].args[0].sizeArgIndex",
    'the function "tcp_connect" has no argument 6',
  ],
  [
    kprobeText("args: [{index: 0, type: int, ^sizeArgIndex: 1}]"),
    "spec.kprobes[0].args[0].sizeArgIndex",
    "int has no sizeArgIndex",
  ],
  [kprobeText("^return: true"), "spec.kprobes[0].return", "what the call returns has no type"],
  [
    kprobeText("^returnArg: {index: 0, type: int}"),
    "spec.kprobes[0].returnArg",
    "returnArg has no effect without return",
  ],
  [
    kprobeText("return: true, returnArg: {index: ^1, type: int}"),
    "spec.kprobes[0].returnArg.index",
    "what a call returns has no index 1",
  ],
  [
    lsm(`^message: ${"m".repeat(257)}`),
    "spec.lsmhooks[0].message",
    "message has 257 characters",
  ],
  [lsm(`^tags: [${"t, ".repeat(17)}]`), "spec.lsmhooks[0].tags", "17 tags"],
  [lsm(`tags: [^${"t".repeat(129)}]`), "spec.lsmhooks[0].tags[0]", " is no tag"],
];

const SIXTY_ONE = Array.from({ length: 61 }, () => "{}").join(", ");
const SELECTOR = "spec.kprobes[0].selectors[0]";

const SELECTOR_MISTAKES: readonly Mistake[] = [
  [
    selector("matchArgs: [^{operator: Equal, values: [1]}]"),
    `${SELECTOR}.matchArgs[0]`,
    "a condition has no index",
  ],
  [
    selector("matchArgs: [{index: ^3, operator: Equal, values: [1]}]"),
    `${SELECTOR}.matchArgs[0].index`,
    'the function "tcp_connect" declares no argument with index 3',
  ],
  [
    selector("matchArgs: [{args: [^0], operator: Equal, values: [1]}]"),
    `${SELECTOR}.matchArgs[0].args[0]`,
    '"0" is no position in args of the function "tcp_connect"',
  ],
  [
    selector("^matchReturnArgs: [{operator: Equal, values: [1]}]"),
    `${SELECTOR}.matchReturnArgs`,
    "matchReturnArgs has no effect: the end of the call is not seen",
  ],
  [
    selector("matchPIDs: [{operator: ^Equal, values: [1]}]"),
    `${SELECTOR}.matchPIDs[0].operator`,
    '"Equal" is no operator of matchPIDs',
  ],
  [
    selector("matchPIDs: [{operator: In, ^values: []}]"),
    `${SELECTOR}.matchPIDs[0].values`,
    "a condition has no values",
  ],
  [
    selector("matchBinaries: [{operator: ^Suffix, values: [x]}]"),
    `${SELECTOR}.matchBinaries[0].operator`,
    '"Suffix" is no operator of matchBinaries',
  ],
  [
    selector("matchNamespaces: [{namespace: ^pid, operator: In, values: [1]}]"),
    `${SELECTOR}.matchNamespaces[0].namespace`,
    '"pid" is no namespace',
  ],
  [
    selector("matchNamespaces: [{namespace: Pid, operator: In, values: [^host]}]"),
    `${SELECTOR}.matchNamespaces[0].values[0]`,
    '"host" is no inode number',
  ],
  [
    selector("matchCapabilities: [{operator: In, values: [^CAP_X]}]"),
    `${SELECTOR}.matchCapabilities[0].values[0]`,
    '"CAP_X" is no capability',
  ],
  [
    selector("matchCapabilities: [{type: ^Bounding, operator: In, values: [CAP_BPF]}]"),
    `${SELECTOR}.matchCapabilities[0].type`,
    '"Bounding" is no type',
  ],
  [selector("macros: [^m]"), `${SELECTOR}.macros[0]`, '"m" is no macro'],
  [
    selector("matchWorkloads: ^{}"),
    `${SELECTOR}.matchWorkloads`,
    "matchWorkloads selects nothing",
  ],
  [
    kprobeText(`^selectors: [${SIXTY_ONE}]`),
    "spec.kprobes[0].selectors",
    'the function "tcp_connect" has 61 selectors',
  ],
];

const ACTION_MISTAKES: readonly Mistake[] = [
  [
    action("tracepoints: [{subsystem: a, event: b", "action: ^Override, argError: -1"),
    "spec.tracepoints[0].selectors[0].matchActions[0].action",
    "a tracepoint only tells: the call cannot be made to fail there",
  ],
  [
    action(
      "kprobes: [{call: security_task_free, syscall: false",
      "action: ^Override, argError: -1",
    ),
    `${SELECTOR}.matchActions[0].action`,
    "it returns nothing, so it cannot be made to fail",
  ],
  [
    lsm("").replace("file_open, ", "^file_opn"),
    "spec.lsmhooks[0].hook",
    '"file_opn" is no LSM hook of any kernel',
  ],
  ...([
    ["Equal", "etc/shadow", "the path of a file begins with /"],
    ["NotPrefix", "etc/", "the path of a file begins with /"],
    [
      "Equal",
      "/etc/../shadow",
      "the path of a file is resolved, without //, /./, /../ and / at its end",
    ],
    ["Equal", "/etc/", "the path of a file is resolved, without //, /./, /../ and / at its end"],
    ["Prefix", "//etc", "the path of a file is resolved, without //, /./, /../ and / at its end"],
    ["Prefix", "socket:", "what has no path is not compared by such a name"],
    ["Equal", "pipe:[1]", "what has no path is not compared by such a name"],
  ] as const).map(([operator, value, why]): Mistake => [
    lsm(
      "args: [{index: 0, type: file}], selectors: [{matchArgs: " +
        `[{index: 0, operator: ${operator}, values: [^"${value}"]}]}]`,
    ),
    "spec.lsmhooks[0].selectors[0].matchArgs[0].values[0]",
    `"${value}" never matches: ${why}`,
  ]),
  ...(["sys_exit_group", "sys_exit"] as const).map((call): Mistake => [
    action(`kprobes: [{call: ${call}`, "action: ^Override, argError: -1"),
    `${SELECTOR}.matchActions[0].action`,
    `${call.slice(4)} never returns: a process that ends cannot be stopped from it`,
  ]),
  ...(["do_exit", "make_task_dead", "__x64_sys_exit_group", "__arm64_sys_exit"] as const).map((
    call,
  ): Mistake => [
    action(`kprobes: [{call: ${call}, syscall: false`, "action: ^Override, argError: -1"),
    `${SELECTOR}.matchActions[0].action`,
    `${call} never returns: a process that ends cannot be stopped from it`,
  ]),
  [
    action("lsmhooks: [{hook: task_free", "action: ^Override, argError: -1"),
    "spec.lsmhooks[0].selectors[0].matchActions[0].action",
    "it returns nothing, so it cannot be made to fail",
  ],
  ...(["0", "1", "-4096"] as const).map((error): Mistake => [
    action("lsmhooks: [{hook: file_open", `action: Override, argError: ^${error}`),
    "spec.lsmhooks[0].selectors[0].matchActions[0].argError",
    `${error} is no error`,
  ]),
  [
    lsm("selectors: [{matchActions: [^{action: Override}]}]"),
    "spec.lsmhooks[0].selectors[0].matchActions[0]",
    "Override has no argError",
  ],
  [
    action("lsmhooks: [{hook: file_open", "action: Signal, argSig: ^65"),
    "spec.lsmhooks[0].selectors[0].matchActions[0].argSig",
    "65 is no signal",
  ],
  [
    action("lsmhooks: [{hook: file_open", "action: Post, ^argSig: 9"),
    "spec.lsmhooks[0].selectors[0].matchActions[0].argSig",
    "Post has no argSig",
  ],
  [
    lsm("selectors: [{matchActions: [{action: Post}, ^{action: NoPost}]}]"),
    "spec.lsmhooks[0].selectors[0].matchActions[1]",
    "the action NoPost contradicts Post",
  ],
  [
    lsm("selectors: [{matchActions: [{action: Sigkill}, ^{action: Sigkill}]}]"),
    "spec.lsmhooks[0].selectors[0].matchActions[1]",
    "the action Sigkill stands twice",
  ],
];

const WORKLOAD_MISTAKES: readonly Mistake[] = [
  [
    documentText(`podSelector: {matchLabels: {app: ^'a*'}}, ${HOOK}`),
    "spec.podSelector.matchLabels.app",
    '"a*" is no value of a label',
  ],
  [
    documentText(`podSelector: {matchLabels: {^'a b': c}}, ${HOOK}`),
    "spec.podSelector.matchLabels.a b",
    '"a b" is no label',
  ],
  [
    documentText(`podSelector: {matchExpressions: [{key: a, operator: ^Has}]}, ${HOOK}`),
    "spec.podSelector.matchExpressions[0].operator",
    '"Has" is no operator of labels',
  ],
  [
    documentText(`podSelector: {matchExpressions: [^{key: a, operator: In}]}, ${HOOK}`),
    "spec.podSelector.matchExpressions[0]",
    "In has no values",
  ],
  [
    documentText(`containerSelector: {matchLabels: {^image: a}}, ${HOOK}`),
    "spec.containerSelector.matchLabels.image",
    "containers are selected by name, not by image",
  ],
  [
    ours(`workloadSelector: {kind: ^pods}, ${HOOK}`),
    "spec.workloadSelector.kind",
    '"pods" is no kind of workload',
  ],
  [
    ours(`workloadSelector: {user: ^root}, ${HOOK}`),
    "spec.workloadSelector.user",
    '"root" is no uid',
  ],
  [
    ours(`workloadSelector: ^{}, ${HOOK}`),
    "spec.workloadSelector",
    "a workload selector selects nothing",
  ],
  [
    ours(`podSelector: {}, ^workloadSelector: {kind: pod}, ${HOOK}`),
    "spec.workloadSelector",
    "workloadSelector stands beside a selector of the published form",
  ],
];

/** All of them. */
export const MISTAKES: readonly Mistake[] = [
  ...DOCUMENT_MISTAKES,
  ...HOOK_MISTAKES,
  ...SELECTOR_MISTAKES,
  ...ACTION_MISTAKES,
  ...WORKLOAD_MISTAKES,
];
