import assert from "node:assert/strict";
import { SECTION_CASES, withKey } from "../../../tests/support/policy_sections.ts";
import { placeIn, problemsOf, problemText } from "../../../tests/support/policy_text.ts";

Deno.test("each key of each section has an example that is read without a mistake", () => {
  for (const sectionCase of SECTION_CASES) {
    const { section, examples } = sectionCase;
    const supported = Object.entries(section.keys).filter(([, row]) => !("refused" in row));
    assert.deepEqual(
      Object.keys(examples).sort(),
      supported.map(([key]) => key).sort(),
      section.name,
    );
    for (const [key, value] of Object.entries(examples)) {
      const text = withKey(sectionCase, key, value);
      assert.deepEqual(problemsOf(text).map(problemText), [], text);
    }
  }
});

Deno.test("each key that is refused is told by name at its place, unless it says nothing", () => {
  for (const sectionCase of SECTION_CASES) {
    for (const [key, row] of Object.entries(sectionCase.section.keys)) {
      if (!("refused" in row)) continue;
      const text = withKey(sectionCase, key, "[5]");
      const problems = problemsOf(text);
      assert.equal(problems.length, 1, `${text}\n${problems.map(problemText).join("\n")}`);
      const [problem] = problems;
      assert.equal(problem!.text, `${key} is not supported: ${row.refused}`);
      assert.equal(problem!.hint, row.nearest);
      assert.equal(problem!.found, key);
      assert(problem!.path.endsWith(key));
      assert.deepEqual(problem!.place, { file: "p.yaml", ...placeIn(text, `${key}: [5]`) });
      for (const nothing of ["false", "[]", "{}", "''", "null"]) {
        assert.deepEqual(problemsOf(withKey(sectionCase, key, nothing)), []);
      }
    }
  }
});

Deno.test("each key with a value of the wrong kind is told at the value", () => {
  const wrong: Readonly<Record<string, string>> = {
    text: "[7]",
    integer: "seven",
    boolean: "'true'",
    list: "{}",
    texts: "{a: b}",
    map: "7",
  };
  for (const sectionCase of SECTION_CASES) {
    for (const [key, row] of Object.entries(sectionCase.section.keys)) {
      if ("refused" in row || row.kind === "any") continue;
      // The default of a variable is checked against its type instead.
      const value = wrong[row.kind]!;
      const text = withKey(sectionCase, key, value);
      const at = placeIn(text, `${key}: ${value}`);
      const place = { file: "p.yaml", line: at.line, column: at.column + key.length + 2 };
      const problem = problemsOf(text).find(({ path }) => path.endsWith(key));
      assert.deepEqual(problem?.place, place, `${text}\n${problemsOf(text).map(problemText)}`);
      assert.match(problem!.text, new RegExp(`^${key} has .* instead of`));
    }
  }
});

Deno.test("a key that does not exist is told with the nearest one that does", () => {
  for (const sectionCase of SECTION_CASES) {
    const [first] = Object.keys(sectionCase.examples);
    if (first === undefined) continue;
    const text = withKey(sectionCase, `${first}x`, "7");
    const problem = problemsOf(text).find(({ found }) => found === `${first}x`);
    assert.equal(problem?.hint, `did you mean ${first}?`, text);
    assert.match(problem!.text, /^unknown key/);
    const { line, column } = problem!.place;
    assert.deepEqual({ line, column }, placeIn(text, `${first}x`));
  }
});

Deno.test("a needed key that is missing is told", () => {
  for (const sectionCase of SECTION_CASES) {
    for (const [key, row] of Object.entries(sectionCase.section.keys)) {
      if ("refused" in row || row.isRequired === undefined) continue;
      const text = withKey(sectionCase, key, "null");
      const problem = problemsOf(text).find(({ text }) => text.endsWith(` has no ${key}`));
      assert.equal(problem?.hint, `write ${key}: ${row.what}`, text);
      const { line, column } = problem!.place;
      assert.deepEqual({ line, column }, placeIn(text, `${key}: null`));
    }
  }
});

Deno.test("our keys are refused under the published apiVersion", () => {
  for (const sectionCase of SECTION_CASES) {
    if (!/kind: TracingPolicy\n/.test(sectionCase.document)) continue;
    for (const [key, row] of Object.entries(sectionCase.section.keys)) {
      if ("refused" in row || row.isExtension === undefined) continue;
      const value = sectionCase.examples[key]!;
      const text = withKey(sectionCase, key, value).replace("shrike.io", "cilium.io");
      const problem = problemsOf(text).find(({ found }) => found === key);
      assert.equal(problem?.text, `${key} is no key of the published form`, text);
      assert.equal(problem?.hint, "write apiVersion: shrike.io/v1alpha1");
    }
  }
});
