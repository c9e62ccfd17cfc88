import assert from "node:assert/strict";
import { join } from "node:path";
import { type BuildStep, runStep } from "./build_step.ts";
import type { Workspace } from "./workspace.ts";

interface Fixture extends AsyncDisposable {
  readonly workspace: Workspace;
  /** A step that copies a file, and how often it has run. */
  readonly step: BuildStep;
  runs: number;
  write(name: string, text: string): Promise<void>;
}

async function makeFixture(key: string[] = []): Promise<Fixture> {
  const root = await Deno.makeTempDir();
  const write = (name: string, text: string) => Deno.writeTextFile(join(root, name), text);
  await Deno.mkdir(join(root, "in"));
  await write("in/a", "one");
  const fixture: Fixture = {
    workspace: { root, out: join(root, ".out"), dist: join(root, "dist") },
    runs: 0,
    step: {
      name: "copy",
      inputs: ["in"],
      key,
      outputs: ["copy"],
      run: async () => {
        fixture.runs++;
        await Deno.copyFile(join(root, "in/a"), join(root, "copy"));
      },
    },
    write,
    [Symbol.asyncDispose]: () => Deno.remove(root, { recursive: true }),
  };
  return fixture;
}

Deno.test("runStep() runs once while nothing changes", async () => {
  await using fixture = await makeFixture();
  assert.equal(await runStep(fixture.workspace, fixture.step), true);
  assert.equal(await runStep(fixture.workspace, fixture.step), false);
  assert.equal(fixture.runs, 1);
});

Deno.test("runStep() runs again when an input changes, comes or is renamed", async () => {
  await using fixture = await makeFixture();
  await runStep(fixture.workspace, fixture.step);
  await fixture.write("in/a", "two");
  assert.equal(await runStep(fixture.workspace, fixture.step), true);
  await fixture.write("in/b", "");
  assert.equal(await runStep(fixture.workspace, fixture.step), true);
  await Deno.rename(join(fixture.workspace.root, "in/b"), join(fixture.workspace.root, "in/c"));
  assert.equal(await runStep(fixture.workspace, fixture.step), true);
});

Deno.test("runStep() runs again when the key changes or an output was touched", async () => {
  await using fixture = await makeFixture(["-O1"]);
  await runStep(fixture.workspace, fixture.step);
  const changed = { ...fixture.step, key: ["-O2"] };
  assert.equal(await runStep(fixture.workspace, changed), true);
  await fixture.write("copy", "somebody else's");
  assert.equal(await runStep(fixture.workspace, changed), true);
  await Deno.remove(join(fixture.workspace.root, "copy"));
  assert.equal(await runStep(fixture.workspace, changed), true);
});

Deno.test("runStep() does not believe a step that fails or leaves an output out", async () => {
  await using fixture = await makeFixture();
  const failing = { ...fixture.step, run: () => Promise.reject(new Error("broken")) };
  await assert.rejects(runStep(fixture.workspace, failing), /broken/);
  const lazy = { ...fixture.step, run: () => Promise.resolve() };
  await assert.rejects(runStep(fixture.workspace, lazy), /output is missing/);
  assert.equal(await runStep(fixture.workspace, fixture.step), true);
});
