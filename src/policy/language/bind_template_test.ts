import assert from "node:assert/strict";
import {
  documentText,
  kprobeText,
  problemsOf,
  readText,
} from "../../../tests/support/policy_text.ts";
import { bindTemplate, resolvePolicies } from "./bind_template.ts";
import { VARIABLE_ELEMENTS } from "./variables.ts";

const TEMPLATE = documentText(
  "variables: [{name: paths, type: pathList}, {name: port, type: port, default: 80}], " +
    "kprobes: [{call: tcp_connect, syscall: false, args: [{index: 0, type: sock}, " +
    "{index: 1, type: file}], selectors: [{matchArgs: [" +
    "{index: 0, operator: DPort, valuesFromVariable: port}, " +
    "{index: 1, operator: Equal, valuesFromVariable: paths}]}]}]",
  { api: "shrike.io", kind: "TracingPolicyTemplate", metadata: "name: t" },
);

function binding(spec: string, name = "b"): string {
  const head = { api: "shrike.io", kind: "TracingPolicyBinding", metadata: `name: ${name}` };
  return documentText(spec, head as Parameters<typeof documentText>[1]);
}

Deno.test("resolvePolicies() tells bindings that do not fit their template at the binding", () => {
  const cases: readonly [spec: string, ...problems: string[]][] = [
    ["template: t, values: {paths: [/a]}"],
    ["template: x", 'spec.template: "x" is no template that is loaded'],
    ["template: t", "spec: variable paths has no value, and template t no default"],
    ["template: t, values: {paths: /a}", "spec.values.paths: variable paths is a list"],
    ["template: t, values: {paths: []}", "spec.values.paths: variable paths is empty"],
    [
      "template: t, values: {paths: [a]}",
      'spec.values.paths[0]: "a" is no path from the root on',
    ],
    [
      "template: t, values: {paths: [/a], port: [80]}",
      "spec.values.port: variable port has one value",
    ],
    [
      "template: t, values: {paths: [/a], port: 99999, x: 1}",
      'spec.values.x: "x" is no variable of template t',
      'spec.values.port: "99999" does not fit 16 bits without sign',
    ],
    [
      "template: t, overridePriority: 1, values: {paths: [/a]}",
      "spec.overridePriority: overridePriority has no effect without overrideAllowed",
    ],
  ];
  for (const [spec, ...expected] of cases) {
    const problems = problemsOf(`${TEMPLATE}---\n${binding(spec)}`);
    assert.deepEqual(problems.map(({ path, text }) => `${path}: ${text}`), expected);
    // In the binding, which is the second document, not in the template.
    for (const { place } of problems) assert.equal(place.line, 9);
  }
});

Deno.test("bindTemplate() makes a policy of new values without the file of the template", () => {
  const [template] = readText(TEMPLATE).documents;
  const [bound] = readText(binding("template: t, values: {paths: [/b, /c], port: 443}")).documents;
  assert(template?.kind === "template" && bound?.kind === "binding");
  const { policy, problems } = bindTemplate(template.template, bound.binding);
  assert.deepEqual(problems, []);
  const tests = policy!.hooks[0]!.selectors[0]!.conditions.map(({ test }) => test);
  assert.deepEqual(tests, [
    { kind: "number", values: [443n] },
    { kind: "text", values: ["/b", "/c"].map((text) => new TextEncoder().encode(text)) },
  ]);
  assert.equal(policy!.name, "b");
});

Deno.test("resolvePolicies() refuses a name that two files take", () => {
  const one = readText(documentText("lsmhooks: [{hook: file_open}]", { metadata: "name: b" }));
  const other = readText(binding("template: t, values: {paths: [/b]}"));
  const template = readText(TEMPLATE);
  const set = resolvePolicies([...one.documents, ...template.documents, ...other.documents]);
  assert.deepEqual(set.policies.map(({ name }) => name), ["b"]);
  assert.deepEqual(set.problems.map(({ text }) => text), ["the name b is taken at p.yaml:1:1"]);
});

Deno.test("a template tells variables that do not fit where they stand", () => {
  const textsOf = (variables: string, condition: string) =>
    problemsOf(documentText(
      `variables: [${variables}], lsmhooks: [{hook: file_open, args: [{index: 0, type: file}], ` +
        `selectors: [{matchArgs: [{index: 0, operator: Equal, ${condition}}]}]}]`,
      { api: "shrike.io", kind: "TracingPolicyTemplate" },
    )).map(({ text }) => text);
  const paths = "{name: v, type: pathList}";
  assert.deepEqual(textsOf(paths, "valuesFromVariable: v"), []);
  assert.deepEqual(textsOf(paths, "valuesFromVariable: w"), [
    '"w" is no variable of this template',
  ]);
  assert.deepEqual(textsOf(paths, "valuesFromVariable: v, values: [/a]"), [
    "a condition has values and valuesFromVariable",
  ]);
  assert.deepEqual(textsOf("{name: v, type: intList}", "valuesFromVariable: v"), [
    "variable v is a list of int, which does not fit here",
  ]);
  assert.deepEqual(textsOf("{name: v, type: texts}", "values: [/a]"), [
    '"texts" is no type of variables',
  ]);
  assert.deepEqual(textsOf("{name: 1v, type: int}", "values: [/a]"), [
    '"1v" is no name of a variable',
  ]);
  assert.deepEqual(textsOf(`${paths}, ${paths}`, "values: [/a]"), ['"v" is declared twice']);
  const pids = "selectors: [{matchPIDs: [{operator: In, valuesFromVariable: v}]}]";
  assert.deepEqual(problemsOf(kprobeText(pids, "shrike.io")).map(({ text }) => text), [
    "only templates have variables",
  ]);
});

Deno.test("each type of variables takes its values, alone and as a list, and refuses others", () => {
  const examples: Readonly<Record<string, [good: string, bad?: string]>> = {
    string: ["anything"],
    path: ["/a", "a"],
    int: ["-5", "five"],
    port: ["80", "65536"],
    address: ["10.0.0.0/8", "host"],
    capability: ["CAP_BPF", "CAP_X"],
  };
  assert.deepEqual(Object.keys(examples), VARIABLE_ELEMENTS.map(({ name }) => name));
  for (const [name, [good, bad]] of Object.entries(examples)) {
    const problems = (type: string, value: string) =>
      problemsOf(documentText(
        `variables: [{name: v, type: ${type}, default: ${value}}], lsmhooks: [{hook: file_open}]`,
        { api: "shrike.io", kind: "TracingPolicyTemplate" },
      ));
    assert.deepEqual(problems(name, good), []);
    assert.deepEqual(problems(`${name}List`, `[${good}, ${good}]`), []);
    if (bad === undefined) continue;
    assert.equal(problems(name, bad)[0]!.found, bad);
    assert.equal(
      problems(`${name}List`, `[${good}, ${bad}]`)[0]!.path,
      "spec.variables[0].default[1]",
    );
  }
});
