import assert from "node:assert/strict";
import { checkImports, findImports } from "./check_imports.ts";
import type { Room } from "./room_table.ts";

const ROOMS: readonly Room[] = [
  { path: "ffi", imports: [], hasDoorway: true },
  { path: "src/low", imports: [], hasDoorway: true },
  { path: "src/high", imports: ["src/low"], types: ["src/plug/plug.ts"], hasDoorway: true },
  { path: "src/plug", imports: [], hasDoorway: true },
  { path: "src/all.ts", imports: ["*"], hasDoorway: false },
  { path: "src/sensors", imports: [], hasDoorway: true },
];

function check(files: Readonly<Record<string, string>>): string[] {
  return checkImports(new Map(Object.entries(files)), ROOMS);
}

Deno.test("findImports() sees every form of import and knows types", () => {
  const text = `
import { a } from "./a.ts";
import type { B } from "../b.ts";
import { type C, type D } from "./c.ts";
import {
  e,
  type F,
} from "./e.ts";
export * from "./g.ts";
import "./h.ts";
import node from "node:path";
const i = await import("./i.ts");
// import { x } from "./commented.ts";
/*
import { y } from "./also.ts";
*/
`;
  assert.deepEqual(findImports("src/low/x.ts", text), [
    { target: "src/low/a.ts", isTypeOnly: false },
    { target: "src/b.ts", isTypeOnly: true },
    { target: "src/low/c.ts", isTypeOnly: true },
    { target: "src/low/e.ts", isTypeOnly: false },
    { target: "src/low/g.ts", isTypeOnly: false },
    { target: "src/low/h.ts", isTypeOnly: false },
    { target: "src/low/i.ts", isTypeOnly: false },
  ]);
});

Deno.test("checkImports() allows what the table allows", () => {
  const problems = check({
    "src/low/mod.ts": `export * from "./a.ts";`,
    "src/low/a.ts": "",
    "src/high/a.ts":
      `import { a } from "../low/mod.ts";\nimport type { P } from "../plug/plug.ts";`,
    "src/all.ts": `import { a } from "./high/mod.ts";`,
  });
  assert.deepEqual(problems, []);
});

Deno.test("checkImports() refuses a room that is not in the table, and a room unknown", () => {
  assert.match(check({ "src/low/a.ts": `import { b } from "../high/mod.ts";` })[0]!, /may not/);
  assert.match(check({ "src/new/a.ts": `import { b } from "../low/mod.ts";` })[0]!, /no room/);
  assert.match(check({ "src/low/a.ts": `import { b } from "../new/mod.ts";` })[0]!, /no room/);
});

Deno.test("checkImports() refuses a file behind a doorway", () => {
  const problems = check({ "src/high/a.ts": `import { a } from "../low/a.ts";` });
  assert.match(problems[0]!, /only src\/low\/mod\.ts/);
});

Deno.test("checkImports() refuses the values of a room of which only types are allowed", () => {
  const problems = check({ "src/high/a.ts": `import { p } from "../plug/plug.ts";` });
  assert.equal(problems.length, 1);
});

Deno.test("checkImports() finds cycles, through types and dynamic imports too", () => {
  const problems = check({
    "src/low/a.ts": `import { b } from "./b.ts";`,
    "src/low/b.ts": `import type { C } from "./c.ts";`,
    "src/low/c.ts": `await import("./a.ts");`,
  });
  assert.deepEqual(problems, [
    "cycle: src/low/a.ts -> src/low/b.ts -> src/low/c.ts -> src/low/a.ts",
  ]);
});

Deno.test("checkImports() keeps sensors apart, but lets the registry see all", () => {
  const text = `import { s } from "../b/sensor.ts";`;
  assert.equal(check({ "src/sensors/a/sensor.ts": text }).length, 1);
  assert.deepEqual(check({ "src/sensors/generated/registry.ts": text }), []);
  assert.deepEqual(check({ "src/sensors/a/x.ts": `import type { S } from "../sensor.ts";` }), []);
});

Deno.test("checkImports() lets tests look anywhere, and nobody import them", () => {
  assert.deepEqual(check({ "src/low/a_test.ts": `import { a } from "../high/b.ts";` }), []);
  assert.equal(check({ "src/low/a.ts": `import { a } from "./a_test.ts";` }).length, 1);
});

Deno.test("checkImports() keeps pointers and workers in their rooms", () => {
  const pointer = "const p = Deno.UnsafePointer.of(x);";
  assert.equal(check({ "src/low/a.ts": pointer }).length, 1);
  assert.equal(check({ "src/low/a.ts": `// ${pointer}` }).length, 0);
  assert.equal(check({ "ffi/a.ts": pointer }).length, 0);
  assert.equal(check({ "src/low/a.ts": "new Worker(url)" }).length, 1);
});
