import assert from "node:assert/strict";
import { problemsOf, problemText } from "../../tests/support/policy_text.ts";
import { ACTIONS } from "./language/actions.ts";
import { typeNames } from "./language/argument_types.ts";
import { SPEC, TEMPLATE_SPEC, WORKLOAD_SELECTOR } from "./language/document_sections.ts";
import { ARGUMENT, KPROBE, LSM_HOOK, TRACEPOINT } from "./language/hook_sections.ts";
import { NAMESPACES } from "./language/kernel_words.ts";
import { operatorNames } from "./language/operators.ts";
import { SELECTOR } from "./language/selector_sections.ts";
import { VARIABLE_ELEMENTS } from "./language/variables.ts";

const README = Deno.readTextFileSync(new URL("README.md", import.meta.url));
const BLOCKS = [...README.matchAll(/^```yaml\n([^]*?)^```$/gm)].map(([, block]) => block!);

const HEAD =
  "apiVersion: shrike.io/v1alpha1\nkind: TracingPolicy\nmetadata: {name: readme}\nspec:\n";
/** A call with the arguments that the README names. */
const CALL = `  kprobes:
  - call: some_function
    syscall: false
    return: true
    returnArg: {index: 0, type: int}
    args:
    - {index: 0, type: file}
    - {index: 1, type: int}
    - {index: 2, type: sock}
    - {index: 3, type: string}
    - {index: 4, type: capability}
`;

/** A whole document of a block: some are one, others stand in a spec or in a selector. */
function documentOf(block: string): string {
  if (block.startsWith("apiVersion:")) return block;
  const indent = (by: number) => block.replace(/^(?=.)/gm, " ".repeat(by));
  const [key = ""] = block.split(":");
  if (Object.hasOwn(SELECTOR.keys, key)) {
    return `${HEAD}${CALL}    selectors:\n    -\n${indent(6)}`;
  }
  const hasHooks = /^(kprobes|tracepoints|lsmhooks):/m.test(block);
  return `${HEAD}${indent(2)}${hasHooks ? "" : CALL}`;
}

Deno.test("README: each example is read without a mistake", () => {
  assert(BLOCKS.length >= 15);
  for (const block of BLOCKS) {
    assert.deepEqual(problemsOf(documentOf(block)).map(problemText), [], documentOf(block));
  }
});

Deno.test("README: each condition of a selector has an example", () => {
  for (const [key, row] of Object.entries(SELECTOR.keys)) {
    if ("refused" in row) continue;
    assert(BLOCKS.some((block) => new RegExp(`^[- ]*${key}:`, "m").test(block)), key);
  }
});

Deno.test("README: names everything that is read, and every section's refused keys", () => {
  const names = [
    ...typeNames(),
    ...operatorNames(),
    ...Object.keys(ACTIONS),
    ...NAMESPACES.keys(),
    ...VARIABLE_ELEMENTS.map(({ name }) => name),
    ...[SPEC, TEMPLATE_SPEC, KPROBE, TRACEPOINT, LSM_HOOK, SELECTOR, WORKLOAD_SELECTOR]
      .flatMap(({ keys }) => Object.keys(keys)),
    ...Object.keys(ARGUMENT.keys).filter((key) => key !== "btfTypeModule"),
  ];
  const isNamed = (name: string) => new RegExp(`\\b${name}\\b`).test(README);
  assert.deepEqual(names.filter((name) => !isNamed(name)), []);
});
