import assert from "node:assert/strict";
import { readJunit } from "./read_junit.ts";

Deno.test("readJunit() gives each test and step its outcome", () => {
  const xml = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="deno test" tests="4" failures="1" errors="0" time="0.016">
    <testsuite name="./tests/a_test.ts" tests="4" disabled="1" errors="0" failures="1">
        <testcase name="a &lt;b&gt; &quot;c&quot;" classname="./tests/a_test.ts" time="0.250">
        </testcase>
        <testcase name="a &gt; step" classname="./tests/a_test.ts" time="0.000" line="2" col="6">
            <skipped/>
        </testcase>
        <testcase name="fails" classname="./tests/a_test.ts" time="0.009" line="3" col="6">
            <failure message="Uncaught Error: 1 &amp;&#10;2">Error: 1 &lt; 2
    at file:///tmp/a_test.ts:4:30</failure>
        </testcase>
        <testcase name="short" classname="./tests/a_test.ts" time="0.001"/>
    </testsuite>
</testsuites>`;
  const file = "tests/a_test.ts";
  assert.deepEqual(readJunit(xml), [
    { file, name: 'a <b> "c"', outcome: "passed", seconds: 0.25, message: "" },
    { file, name: "a > step", outcome: "skipped", seconds: 0, message: "" },
    {
      file,
      name: "fails",
      outcome: "failed",
      seconds: 0.009,
      message: "Uncaught Error: 1 &\n2\nError: 1 < 2\n    at file:///tmp/a_test.ts:4:30",
    },
    { file, name: "short", outcome: "passed", seconds: 0.001, message: "" },
  ]);
});

Deno.test("readJunit() finds no test in a report that was cut off", () => {
  assert.deepEqual(readJunit('<?xml version="1.0"?>\n<testsuites name="deno test"'), []);
});
