import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { policyOf, problemsOf } from "../../../tests/support/policy_text.ts";
import { policyNotes } from "../notes/policy_notes.ts";
import { fixPolicies } from "./fix_policies.ts";

const HEAD = "apiVersion: cilium.io/v1alpha1\nkind: TracingPolicy\nmetadata:\n  name: p\nspec:\n";

function rule(call: string, index: number, value: string, more = ""): string {
  return `  - call: ${call}
    args:
    - {index: ${index}, type: string}
    selectors:
    - matchArgs:
      - {index: ${index}, operator: Prefix, values: ["${value}"]}
      matchActions:
      - action: Sigkill
${more}`;
}

Deno.test("fixPolicies() writes rules on paths of calls that open files as one LSM hook", () => {
  const text = `${HEAD}  # keep\n  kprobes:\n${rule("sys_open", 0, "/etc/x")}` +
    `${rule("sys_openat", 1, "/etc/x")}  - call: sys_getpid\n`;
  const { text: fixed, changes, left } = fixPolicies(text);
  deepStrictEqual([changes.length, left], [2, []]);
  deepStrictEqual(problemsOf(fixed), []);
  const { hooks } = policyOf(fixed);
  deepStrictEqual(hooks.map(({ point }) => point), [
    { kind: "syscall", name: "getpid" },
    { kind: "lsm", name: "file_open" },
  ]);
  const [selector] = hooks[1]!.selectors;
  deepStrictEqual(
    selector!.conditions[0]!.test,
    policyOf(text).hooks[0]!.selectors[0]!.conditions[0]!.test,
  );
  deepStrictEqual(selector!.actions.map(({ kind }) => kind), ["sigkill", "post"]);
  match(fixed, /# keep/);
  deepStrictEqual(policyNotes(policyOf(fixed)), []);
  strictEqual(fixPolicies(fixed).text, fixed);
});

Deno.test("fixPolicies() changes nothing where an alias stands for a part of a rule", () => {
  const text = `${HEAD}  kprobes:\n${
    rule("sys_openat", 1, "/etc/x").replace("args:", "tags: &t [a]\n    args:")
  }  - {call: sys_getpid, tags: *t}\n`;
  deepStrictEqual(problemsOf(text), []);
  const { text: fixed, changes, left } = fixPolicies(text);
  deepStrictEqual([fixed, changes, left.length], [text, [], 1]);
});

Deno.test("fixPolicies() leaves what would mean something else, and says why", () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    [rule("sys_openat", 1, "etc/x"), /not from the root on/],
    [rule("sys_unlinkat", 1, "/etc/x"), /no LSM hook is known/],
    [
      rule("sys_openat", 1, "/etc/x", "    return: true\n    returnArg: {index: 0, type: int}\n"),
      /what the call returns/,
    ],
    [
      rule("sys_openat", 1, "/etc/x").replace("string}\n", "string}\n    - {index: 2, type: int}\n")
        .replace(
          "      matchActions",
          "      - {index: 2, operator: Equal, values: [1]}\n      matchActions",
        ),
      /compares argument 2/,
    ],
  ];
  for (const [rules, why] of cases) {
    const text = `${HEAD}  kprobes:\n${rules}`;
    deepStrictEqual(problemsOf(text), []);
    const { text: fixed, changes, left } = fixPolicies(text);
    deepStrictEqual([fixed, changes, left.length], [text, [], 1]);
    match(left[0]!, why);
  }
});
