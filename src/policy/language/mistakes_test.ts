import assert from "node:assert/strict";
import { MISTAKES } from "../../../tests/support/policy_mistakes.ts";
import {
  documentText,
  policyOf,
  problemsOf,
  problemText,
  readText,
} from "../../../tests/support/policy_text.ts";

const HOOK = "lsmhooks: [{hook: file_open}]";

Deno.test("readPolicies() tells each thing that is wrong where it stands, and nothing else", () => {
  for (const [marked, path, what] of MISTAKES) {
    const [before, after, ...more] = marked.split("^");
    assert(after !== undefined && more.length === 0, marked);
    const lines = before!.split("\n");
    const problems = problemsOf(before + after);
    assert.equal(problems.length, 1, `${marked}\n${problems.map(problemText).join("\n")}`);
    const [{ place, path: found, text, hint } = assert.fail()] = problems;
    assert.deepEqual(
      { place, path: found },
      {
        place: { file: "p.yaml", line: lines.length, column: lines.at(-1)!.length + 1 },
        path,
      },
      marked,
    );
    assert(text.endsWith(what), `${text} instead of ${what}`);
    assert.notEqual(hint, "");
  }
});

Deno.test("readPolicies() refuses Override where the call has been done", () => {
  const text = documentText(
    "kprobes: [{call: sys_read, return: true, returnArg: {index: 0, type: int}, selectors: [" +
      "{matchReturnArgs: [{operator: Equal, values: [0]}]}, " +
      "{matchActions: [{action: Override, argError: -1}], " +
      "matchReturnActions: [{action: Override}]}]}]",
  );
  assert.deepEqual(problemsOf(text).map(({ text }) => text), [
    'the system call "sys_read" has both matchReturnArgs and Override: what it returns is known ' +
    "too late",
    "a call that has returned cannot be made to fail",
  ]);
});

Deno.test("readPolicies() reads what a policy does about calls that cannot be decided", () => {
  const choiceOf = (options: string) =>
    readText(documentText(`options: [${options}], lsmhooks: [{hook: file_open}]`)).documents
      .map((document) => document.kind === "policy" ? document.policy.undecided : document.kind);
  assert.deepEqual(choiceOf("{name: undecided, value: pass}"), ["pass"]);
  assert.deepEqual(choiceOf("{name: undecided, value: act}"), ["act"]);
  assert.deepEqual(choiceOf("{name: policy-mode, value: monitor}"), [undefined]);
  assert.deepEqual(choiceOf("{name: undecided, value: perhaps}"), []);
});

Deno.test("readPolicies() notes what has no effect", () => {
  const text = documentText(
    "options: [{name: disable-kprobe-multi, value: 1}], selectorsMacros: {m: {}}, " +
      "lists: [{name: l, values: [f]}], lsmhooks: [{hook: file_open}]",
  );
  const { documents, problems, notes } = readText(text);
  assert.deepEqual([documents.length, problems.length], [1, 0]);
  assert.deepEqual(notes.map(({ path, text }) => `${path}: ${text}`), [
    "spec.options[0].name: the option disable-kprobe-multi has no effect: all policies share " +
    "one program per hook",
    'spec.selectorsMacros.m: nothing uses the macro "m", so it has not been checked',
    'spec.lists[0]: nothing uses the list "l", so it has not been checked',
  ]);
});

Deno.test("readPolicies() tells every mistake at once, also without apiVersion or kind", () => {
  const spec = "spec: {lsmhooks: [{hok: x}], kprobes: [{call: sys_opnat}]}\nmetadata: {name: p}\n";
  const rest = [
    "2: an LSM hook has no hook",
    '2: unknown key "hok" of an LSM hook',
    '2: "sys_opnat" is no system call',
  ];
  const told = (text: string) =>
    problemsOf(text).map(({ place, text }) => `${place.line}: ${text}`).sort();
  const sorted = (...texts: string[]) => [...texts, ...rest].sort();
  assert.deepEqual(
    told(`kind: TracingPolicy\n${spec}`),
    sorted("1: the document has no apiVersion"),
  );
  assert.deepEqual(
    told(`apiVersion: cilium.io/v1alpha1\n${spec}`),
    sorted("1: the document has no kind"),
  );
  assert.deepEqual(
    told(`apiVersion: x\n${spec}`.replace("spec", "spec")),
    sorted('1: "x" is no apiVersion', "1: the document has no kind"),
  );
});

Deno.test("readPolicies() takes errors and services by name", () => {
  const actionOf = (error: string) =>
    policyOf(
      documentText(
        "lsmhooks: [{hook: file_open, selectors: [{matchActions: " +
          `[{action: Override, argError: ${error}}]}]}]`,
      ),
    ).hooks[0]!.selectors[0]!.actions[0];
  for (const [text, errno] of [["EPERM", 1], ["-EACCES", 13], ["-13", 13], ["EHWPOISON", 133]]) {
    assert.deepEqual(actionOf(String(text)), { kind: "override", errno });
  }
  const conditionOf = (keys: string) =>
    policyOf(documentText(`kprobes: [{call: ${keys}}]`)).hooks[0]!.selectors[0]!.conditions[0]!
      .test;
  assert.deepEqual(
    conditionOf(
      "tcp_connect, syscall: false, args: [{index: 0, type: sock}], " +
        "selectors: [{matchArgs: [{index: 0, operator: DPort, values: [https, '8000']}]}]",
    ),
    { kind: "number", values: [443n, 8000n] },
  );
  assert.deepEqual(
    conditionOf(
      "sys_openat, return: true, returnArg: {index: 0, type: int}, " +
        "selectors: [{matchReturnArgs: [{index: 0, operator: Equal, values: [-ENOENT]}]}]",
    ),
    { kind: "number", values: [BigInt.asUintN(64, -2n)] },
  );
});

Deno.test("readPolicies() notes that the end of what never returns is not seen", () => {
  const text = documentText(
    "kprobes: [{call: sys_exit_group, return: true, returnArg: {index: 0, type: int}}, " +
      "{call: sys_getpid, return: true, returnArg: {index: 0, type: int}}]",
  );
  const { problems, notes } = readText(text);
  assert.deepEqual(problems, []);
  assert.deepEqual(notes.map(({ path, text }) => `${path}: ${text}`), [
    "spec.kprobes[0].return: exit_group never returns, so its end is not seen",
  ]);
});

Deno.test("readPolicies() keeps the right documents of a file and refuses a name taken twice", () => {
  const good = documentText(HOOK);
  const bad = documentText("lsmhooks: [{hok: file_open}]", { metadata: "name: q" });
  const { documents, problems } = readText(`${good}---\n${bad}---\n${good}`);
  assert.equal(documents.length, 1);
  assert.deepEqual(problems.map(({ place, text }) => `${place.line}: ${text}`), [
    "9: an LSM hook has no hook",
    '9: unknown key "hok" of an LSM hook',
    "11: the name p is taken by the document in line 1",
  ]);
});
