import assert from "node:assert/strict";
import {
  documentText,
  kprobeText,
  policyOf,
  problemsOf,
  readText,
} from "../../../tests/support/policy_text.ts";

const FIXTURES = new URL("../../../tests/fixtures/policies/", import.meta.url);
const HOOK = "lsmhooks: [{hook: file_open}]";

function times(count: number, text: (i: number) => string): string {
  return Array.from({ length: count }, (_, i) => text(i)).join(", ");
}

function selector(keys: string): string {
  return kprobeText(`args: [{index: 0, type: int}], selectors: [{${keys}}]`);
}

function template(count: number): string {
  const ours = (spec: string, kind: string, name: string) =>
    documentText(spec, { api: "shrike.io", kind, metadata: `name: ${name}` });
  const values = times(count, (i) => `/${i}`);
  return ours(
    "variables: [{name: v, type: pathList}], lsmhooks: [{hook: file_open, selectors: " +
      "[{matchBinaries: [{operator: In, valuesFromVariable: v}]}]}]",
    "TracingPolicyTemplate",
    "t",
  ) + "---\n" + ours(`template: t, values: {v: [${values}]}`, "TracingPolicyBinding", "b");
}

/** A text with as many of something as is allowed, and what is told of one more. */
const LIMITS: Readonly<
  Record<string, { max: number; text(count: number): string; problem: string }>
> = {
  "values of a condition": {
    max: 4096,
    text: (count) => selector(`matchPIDs: [{operator: In, values: [${times(count, String)}]}]`),
    problem: "a condition has more than 4096 values",
  },
  "values of a variable": {
    max: 4096,
    text: template,
    problem: "a condition has more than 4096 values",
  },
  "values of a list": {
    max: 1024,
    // The same function again is the same hook.
    text: (count) =>
      documentText(
        `lists: [{name: l, values: [${times(count, () => "f")}]}], ` +
          "kprobes: [{call: 'list:l', syscall: false}]",
      ),
    problem: "a list has 1025 values",
  },
  "conditions of a selector": {
    max: 64,
    text: (count) => {
      const condition = "{index: 0, operator: NotEqual, values: [1]}";
      return selector(`matchArgs: [${times(count, () => condition)}]`);
    },
    problem: "a selector has more than 64 conditions",
  },
  "selectors of a hook": {
    max: 60,
    text: (count) => kprobeText(`selectors: [${times(count, () => "{}")}]`),
    problem: 'the function "tcp_connect" has 61 selectors',
  },
  "arguments of a hook": {
    max: 5,
    text: (count) => kprobeText(`args: [${times(count, () => "{index: 0, type: int}")}]`),
    problem: 'the function "tcp_connect" has 6 arguments',
  },
  "hooks of a policy": {
    max: 128,
    text: (count) =>
      documentText(
        `lists: [{name: l, values: [${times(count, (i) => `f${i}`)}]}], ` +
          "kprobes: [{call: 'list:l', syscall: false}]",
      ),
    problem: "spec has 129 hooks",
  },
  "labels of a pod selector": {
    max: 64,
    text: (count) =>
      documentText(`podSelector: {matchLabels: {${times(count, (i) => `l${i}: v`)}}}, ${HOOK}`),
    problem: "65 conditions on labels",
  },
  "globs of a workload selector": {
    max: 64,
    text: (count) =>
      documentText(`workloadSelector: {name: [${times(count, (i) => `n${i}`)}]}, ${HOOK}`, {
        api: "shrike.io",
      }),
    problem: "name has 65 values",
  },
  "workload selectors": {
    max: 64,
    text: (count) =>
      documentText(`workloadSelector: [${times(count, (i) => `{name: n${i}}`)}], ${HOOK}`, {
        api: "shrike.io",
      }),
    problem: "workloadSelector has 65 selectors",
  },
  "documents of a file": {
    max: 4096,
    text: (count) =>
      Array.from({ length: count }, (_, i) => documentText(HOOK, { metadata: `name: n${i}` }))
        .join("---\n"),
    problem: "too many documents",
  },
  "characters of a message": {
    max: 256,
    text: (count) => documentText(`lsmhooks: [{hook: bpf, message: ${"m".repeat(count)}}]`),
    problem: "message has 257 characters",
  },
  "characters of a label": {
    max: 128,
    text: (count) => selector(`label: ${"m".repeat(count)}`),
    problem: "label has 129 characters",
  },
  "tags": {
    max: 16,
    text: (count) => documentText(`lsmhooks: [{hook: bpf, tags: [${times(count, () => "t")}]}]`),
    problem: "17 tags",
  },
  "characters of a name": {
    max: 253,
    text: (count) => documentText(HOOK, { metadata: `name: ${"n".repeat(count)}` }),
    problem: "is no name of a policy",
  },
};

Deno.test("each limit is told one beyond it, and not before", () => {
  for (const [what, { max, text, problem }] of Object.entries(LIMITS)) {
    assert.deepEqual(problemsOf(text(max)), [], what);
    const problems = problemsOf(text(max + 1));
    assert.equal(problems.length, 1, what);
    assert(problems[0]!.text.endsWith(problem), `${what}: ${problems[0]!.text}`);
  }
});

Deno.test("readPolicies() bounds lists that stand in values again and again", () => {
  const text = documentText(
    `lists: [{name: l, type: syscalls, values: [${times(1024, () => "sys_read")}]}], ` +
      "tracepoints: [{subsystem: raw_syscalls, event: sys_enter, args: " +
      "[{index: 4, type: syscall64}], selectors: [{matchArgs: [{index: 4, operator: InMap, " +
      `values: [${times(4096, () => "'list:l'")}]}]}]}]`,
  );
  assert.deepEqual(problemsOf(text).map(({ text }) => text), [
    "a condition has more than 4096 values",
  ]);
});

Deno.test("readPolicies() takes default as the namespace of a policy that does not say", () => {
  const policy = policyOf(documentText(HOOK, { kind: "TracingPolicyNamespaced" }));
  assert.equal(policy.namespace, "default");
  assert.deepEqual(policy.workloads[0]!.podNamespaces, ["default"]);
});

Deno.test("readPolicies() reads the namespace of a pod as a label, and what two leave", () => {
  const label = "k8s:io.kubernetes.pod.namespace";
  const text = (operator: string, values: string) =>
    documentText(
      `podSelector: {matchLabels: {"${label}": a}, matchExpressions: ` +
        `[{key: "${label}", operator: ${operator}, values: [${values}]}]}, ${HOOK}`,
    );
  assert.deepEqual(policyOf(text("In", "a, b")).workloads[0]!.podNamespaces, ["a"]);
  const textsOf = (text: string) => problemsOf(text).map(({ text }) => text);
  assert.deepEqual(textsOf(text("In", "b")), ["no pod can have these namespaces at once"]);
  assert.deepEqual(textsOf(text("NotIn", "b")), [
    "NotIn on the namespace is not supported: namespaces are not left out",
  ]);
});

Deno.test("readPolicies() refuses Override at functions security_ that return nothing", () => {
  const text = (call: string) =>
    documentText(
      `kprobes: [{call: ${call}, syscall: false, selectors: ` +
        "[{matchActions: [{action: Override, argError: -1}]}]}]",
    );
  assert.deepEqual(problemsOf(text("security_file_open")), []);
  assert.equal(
    problemsOf(text("security_task_free"))[0]?.text,
    "it returns nothing, so it cannot be made to fail",
  );
});

Deno.test("readPolicies() notes nothing about policies whose parts are all used", () => {
  for (const { name } of Deno.readDirSync(FIXTURES)) {
    const { notes } = readText(Deno.readTextFileSync(new URL(name, FIXTURES)));
    // What a negated operator of addresses means is said of each.
    const others = notes.filter(({ found }) => !/^Not[SD](Addr|Port|Class)/.test(found ?? ""));
    assert.deepEqual(others, [], name);
  }
});

Deno.test("an alias stands for the last anchor before it, also where anchors are set again", () => {
  const text = `apiVersion: cilium.io/v1alpha1
kind: TracingPolicy
metadata: {name: p}
spec:
  lsmhooks:
  - {hook: bpf, tags: &outer [&tag one]}
  - {hook: file_open, tags: [&tag two]}
  - {hook: mmap_file, tags: *outer}
  - {hook: capable, tags: [*tag]}
`;
  const tags = policyOf(text).hooks.map(({ tags }) => tags);
  assert.deepEqual(tags, [["one"], ["two"], ["one"], ["two"]]);
});
