import assert from "node:assert/strict";
import { summarize } from "./run_stage.ts";
import { STAGES } from "./stages.ts";

const REPORT = `<testsuites><testsuite name="a_test.ts">
  <testcase name="first" classname="./a_test.ts" time="0.1"></testcase>
  <testcase name="old kernel" classname="./a_test.ts" time="0"><skipped/></testcase>
  <testcase name="why not" classname="./a_test.ts" time="0"><skipped/></testcase>
</testsuite></testsuites>`;

Deno.test("summarize() counts tests and names those skipped without a reason", () => {
  const lines = ["skip: old kernel: kernel 5.4 is older than 5.10"];
  assert.deepEqual(summarize(REPORT, 0, lines), {
    passed: 1,
    failed: 0,
    skipped: 2,
    skipLines: lines,
    unexplained: ["why not"],
  });
});

Deno.test("summarize() counts a failure when the run ended badly and no test says so", () => {
  assert.equal(summarize(REPORT, 1, []).failed, 1);
  assert.equal(summarize("", 124, []).failed, 1);
  const failure = REPORT.replace("<skipped/>", '<failure message="no">no</failure>');
  assert.equal(summarize(failure, 1, []).failed, 1);
});

Deno.test("STAGES end within the 90 minutes of CI, with the set-up, whatever hangs", () => {
  const sum = STAGES.reduce((total, stage) => total + stage.limitMs, 0);
  assert(sum <= 80 * 60_000, `${sum} ms`);
});
