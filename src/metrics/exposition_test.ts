import { deepStrictEqual, equal, ok } from "node:assert/strict";
import type { Sample } from "../telemetry/mod.ts";
import { acceptsGzip, chooseFormat, writeExposition } from "./exposition.ts";
import { counter, gauge, labelValue } from "./sample.ts";

const PROMETHEUS_2_42 = "application/openmetrics-text;version=1.0.0," +
  "application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";

function labelled(kind: Sample["kind"], labels: Sample["labels"], value: number): Sample {
  return { name: kind === "counter" ? "a_total" : "a", kind, help: "What a is", labels, value };
}

Deno.test("writeExposition() writes kind, help and series in the text format", async () => {
  const text = await writeExposition([
    labelled("counter", { b: "1" }, 3),
    gauge("g_bytes", "A gauge", 1.5),
    labelled("counter", { b: "2" }, 0),
  ], "text");
  equal(
    text,
    "# HELP a_total What a is\n# TYPE a_total counter\n" +
      'a_total{b="1"} 3\na_total{b="2"} 0\n' +
      "# HELP g_bytes A gauge\n# TYPE g_bytes gauge\ng_bytes 1.5\n",
  );
});

Deno.test("writeExposition() writes OpenMetrics with one end", async () => {
  const text = await writeExposition([
    counter("a_total", "What a is", 3),
    gauge("g", "A gauge", -1),
    gauge("unknown", "Not known", Number.NaN),
  ], "openmetrics");
  equal(
    text,
    "# HELP a What a is\n# TYPE a counter\na_total 3\n" +
      "# HELP g A gauge\n# TYPE g gauge\ng -1\n# EOF\n",
  );
});

Deno.test("writeExposition() escapes values of labels and adds up equal counters", async () => {
  const text = await writeExposition([
    labelled("counter", { b: 'x"\\\n\ud800é' }, 1),
    labelled("counter", { b: 'x"\\\n\ud800é' }, 2),
  ], "text");
  equal(text.split("\n")[2], 'a_total{b="x\\"\\\\\u{fffd}\u{fffd}é"} 3');
});

Deno.test("labelValue() is bounded and cuts no character in two", () => {
  equal(labelValue("web"), "web");
  for (const length of [255, 256, 257, 10_000]) {
    for (const prefix of ["", "a"]) {
      const value = labelValue(prefix + "😀".repeat(length));
      ok(value.length <= 256 && value.isWellFormed() && value.endsWith("…"));
    }
  }
});

Deno.test("chooseFormat() follows the Accept header", () => {
  const cases: [string | undefined, string][] = [
    [undefined, "text"],
    ["", "text"],
    [PROMETHEUS_2_42, "openmetrics"],
    ["application/openmetrics-text", "openmetrics"],
    ["application/openmetrics-text;version=0.0.1", "text"],
    ["application/openmetrics-text; q=0", "text"],
    ["application/openmetrics-text; q=0.5, text/plain", "text"],
    ["text/html,*/*;q=0.8", "text"],
    ["*/*", "text"],
    [";;q=,,;q=zz", "text"],
  ];
  deepStrictEqual(cases.map(([accept]) => chooseFormat(accept)), cases.map(([, format]) => format));
});

Deno.test("acceptsGzip() follows the Accept-Encoding header", () => {
  ok(acceptsGzip("gzip") && acceptsGzip("deflate, GZIP;q=0.5") && acceptsGzip("*"));
  ok(!acceptsGzip(undefined) && !acceptsGzip("") && !acceptsGzip("identity"));
  ok(!acceptsGzip("gzip;q=0") && !acceptsGzip("gzip;q=0, *") && !acceptsGzip("gzipped"));
});
