import assert from "node:assert/strict";
import { checkTidy } from "./check_tidy.ts";
import plugin from "./lint_function_length.ts";

Deno.test("checkTidy() finds nothing in tidy code", () => {
  assert.deepEqual(checkTidy("src/a/cpu_list.ts", "export const a = 1;\n"), []);
});

Deno.test("checkTidy() allows 400 lines and 100 columns, not one more", () => {
  assert.deepEqual(checkTidy("a.ts", "x\n".repeat(400)), []);
  assert.match(checkTidy("a.ts", "x\n".repeat(401))[0]!, /^a\.ts:1: 401 lines/);
  assert.deepEqual(checkTidy("a.ts", "x".repeat(100)), []);
  assert.match(checkTidy("a.ts", `\n${"é".repeat(101)}`)[0]!, /^a\.ts:2: 101 columns/);
  assert.deepEqual(checkTidy("a.ts", `Deno.test("${"n".repeat(101)}", () => {\n`), []);
});

Deno.test("checkTidy() refuses names that say nothing", () => {
  for (const path of ["src/utils/a.ts", "src/string_helper.ts", "src/common.ts", "misc/a.c"]) {
    assert.equal(checkTidy(path, "").length, 1, path);
  }
  assert.deepEqual(checkTidy("src/commonplace/util_linux.ts", "").length, 1);
  assert.deepEqual(checkTidy("src/commonplace/a.ts", ""), []);
});

Deno.test("checkTidy() wants an issue beside what is still to do", () => {
  const todo = "TO" + "DO";
  assert.equal(checkTidy("a.ts", `// ${todo}: later`).length, 1);
  assert.equal(checkTidy("a.ts", `// ${todo}(me): later`).length, 1);
  assert.deepEqual(checkTidy("a.ts", `// ${todo}(#12): later`), []);
});

Deno.test("checkTidy() measures C functions", () => {
  const body = (count: number) =>
    `SEC("tp/x")\nint on_x(void *c,\n       int d) {\n${"    y();\n".repeat(count)}}\n`;
  assert.deepEqual(checkTidy("a.c", body(67)), []);
  assert.match(checkTidy("a.c", "int x;\n" + body(68))[0]!, /^a\.c:3: function of 71 lines/);
  assert.deepEqual(checkTidy("a.c", `struct a {\n${"    int b;\n".repeat(90)}};\n`), []);
});

Deno.test("function-length refuses functions of any kind above 70 lines", () => {
  const lint = (text: string) => Deno.lint.runPlugin(plugin, "a.ts", text);
  const lines = (count: number) => "\n".repeat(count - 1);
  assert.deepEqual(lint(`function a() {${lines(70)}}`), []);
  for (const head of ["function a() ", "const a = () => ", "const a = function () "]) {
    assert.equal(lint(`${head}{${lines(71)}}`).length, 1, head);
  }
  assert.equal(lint(`class A { m() {${lines(71)}} }`).length, 1);
});
