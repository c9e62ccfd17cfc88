import { deepStrictEqual, ok } from "node:assert/strict";
import { PATH_EXAMPLES } from "../../tests/support/path_examples.ts";
import { PATH_FORMS } from "./path_forms.ts";
import { recognisePath } from "./recognise_path.ts";

for (const [form, path, expected] of PATH_EXAMPLES) {
  Deno.test(`recognisePath() reads ${form}`, () => {
    const { isRecognised: _, ...recognition } = recognisePath(path);
    deepStrictEqual(recognition, expected);
  });
}

Deno.test("PATH_FORMS has an example for each row", () => {
  for (const { form, pattern } of PATH_FORMS) {
    ok(PATH_EXAMPLES.some(([, path]) => matchesSomewhere(pattern, path.slice(1))), form);
  }
});

/** Whether the pattern matches at the start of a component. */
function matchesSomewhere(pattern: RegExp, path: string): boolean {
  for (let at = 0; at !== -1 && at < path.length;) {
    pattern.lastIndex = at;
    if (pattern.test(path)) return true;
    const slash = path.indexOf("/", at);
    at = slash === -1 ? -1 : slash + 1;
  }
  return false;
}
