import assert from "node:assert/strict";
import { parse } from "yaml";
import { METRIC_TABLE } from "../../src/metrics/generated/metric_table.ts";

const FOLDER = import.meta.dirname!;

/** Of Prometheus itself, and labels that it adds. */
const OWN_METRICS: readonly string[] = ["up"];
const OWN_LABELS: readonly string[] = ["job", "instance"];
/** Words of PromQL that look like metrics. */
const WORDS: readonly string[] = [
  ...["sum", "count", "topk", "rate", "increase", "changes"],
  ...["by", "without", "on", "ignoring", "and", "or", "unless", "bool"],
];

const LABELS = new Map(METRIC_TABLE.map(({ name, labels }) => [name, labels]));
const COUNTERS = new Set(
  METRIC_TABLE.filter(({ kind }) => kind === "counter").map(({ name }) => name),
);

/** A query and where it stands. */
interface Query {
  readonly place: string;
  readonly expression: string;
  /** Texts with labels in them: `{{sink}}`, `{{ $labels.sink }}`. */
  readonly texts: readonly string[];
}

/** What is wrong with a query, one line each. */
function complaints({ place, expression, texts }: Query): string[] {
  const problems: string[] = [];
  const metrics = metricsOf(expression);
  if (metrics.length === 0) problems.push(`${place}: no metric in ${expression}`);
  for (const { name, matchers, range } of metrics) {
    const labels = LABELS.get(name);
    if (labels === undefined) {
      if (!OWN_METRICS.includes(name)) problems.push(`${place}: there is no ${name}`);
      continue;
    }
    for (const label of matchers) {
      if (!labels.includes(label) && !OWN_LABELS.includes(label)) {
        problems.push(`${place}: ${name} has no label ${label}`);
      }
    }
    if (COUNTERS.has(name) !== range && name !== "process_start_time_seconds") {
      problems.push(`${place}: ${name} is ${range ? "no counter" : "a counter without rate"}`);
    }
  }
  const known = new Set([...OWN_LABELS, ...metrics.flatMap(({ name }) => LABELS.get(name) ?? [])]);
  const grouped = [...expression.matchAll(/\b(?:by|without|on|ignoring)\s*\(([^)]*)\)/g)]
    .flatMap(([, list]) => list!.split(",").map((label) => label.trim()));
  const shown = texts.flatMap((text) =>
    [...text.matchAll(/\{\{\s*(?:\$labels\.)?([a-z_]+)\s*\}\}/g)].map((match) => match[1]!)
  );
  for (const label of [...grouped, ...shown]) {
    if (!known.has(label)) problems.push(`${place}: no metric of it has the label ${label}`);
  }
  // After a sum only the labels that it keeps are there to be shown.
  const kept = grouped.length > 0 ? new Set(grouped) : known;
  for (const label of shown) {
    if (!kept.has(label)) problems.push(`${place}: the sum has no label ${label} any more`);
  }
  return problems;
}

/** Metrics of a query, with the labels in their braces, and whether they have a range. */
function metricsOf(expression: string) {
  // Lists of labels, and variables of Grafana, are no metrics.
  const text = expression.replace(/\b(?:by|without|on|ignoring)\s*\([^)]*\)/g, "")
    .replace(/\[\$\w+\]/g, "[1m]").replace(/(^|[^"~])\$\w+/g, "$1");
  return [...text.matchAll(/(?<![\w"$.])([a-z_][a-z0-9_]*)\b(?:\{((?:[^}"]|"[^"]*")*)\})?(\[)?/g)]
    .filter(([whole, name]) => !WORDS.includes(name!) && !/^\d/.test(whole))
    .map(([, name, braces = "", range]) => ({
      name: name!,
      range: range !== undefined,
      matchers: [...braces.matchAll(/([a-z_]+)\s*(?:=|!)/g)].map((match) => match[1]!),
    }))
    .filter(({ name }) => !OWN_LABELS.includes(name) || LABELS.has(name));
}

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly annotations: Readonly<Record<string, string>>;
}

function rules(): (Query & { readonly alert: string })[] {
  const { groups } = parse(Deno.readTextFileSync(`${FOLDER}/alerts.yaml`));
  return groups.flatMap((group: { rules: readonly Rule[] }) =>
    group.rules.map(({ alert, expr, annotations }) => ({
      ...{ place: alert, alert, expression: expr },
      texts: Object.values(annotations),
    }))
  );
}

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; h: number };
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[];
}

function dashboard(): { panels: Panel[]; templating: { list: { name: string }[] } } {
  return JSON.parse(Deno.readTextFileSync(`${FOLDER}/dashboard.json`));
}

Deno.test("alerts.yaml uses metrics and labels that the agent has", () => {
  const all = rules();
  assert.ok(all.length > 10);
  assert.deepEqual(all.flatMap(complaints), []);
  assert.equal(new Set(all.map(({ alert }) => alert)).size, all.length);
});

Deno.test("README.md says what to do about every alert", () => {
  const readme = Deno.readTextFileSync(`${FOLDER}/README.md`);
  const told = [...readme.matchAll(/`(Shrike\w+)`/g)].map((match) => match[1]);
  assert.deepEqual(told.sort(), rules().map(({ alert }) => alert).sort());
});

Deno.test("dashboard.json uses metrics and labels that the agent has", () => {
  const { panels } = dashboard();
  const queries = panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr, legendFormat }) => ({
      ...{ place: title, expression: expr },
      texts: [legendFormat],
    }))
  );
  assert.ok(queries.length > 30);
  assert.deepEqual(queries.flatMap(complaints), []);
});

Deno.test("dashboard.json has panels that do not overlap, and variables that are used", () => {
  const { panels, templating } = dashboard();
  assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
  const taken = new Set<string>();
  for (const { title, gridPos: { x, y, w, h } } of panels) {
    assert.ok(x + w <= 24, title);
    for (let i = 0; i < w * h; i++) {
      const cell = `${x + i % w} ${y + Math.floor(i / w)}`;
      assert.ok(!taken.has(cell), title);
      taken.add(cell);
    }
  }
  const names = templating.list.map(({ name }) => name);
  assert.deepEqual(names, ["datasource", "job", "instance", "top"]);
  const used = new Set(
    JSON.stringify(panels).match(/\$\{?[a-z]+/g)!.map((text) => text.replace(/[${]/g, "")),
  );
  assert.deepEqual([...used].filter((name) => !names.includes(name)), []);
  assert.ok(names.every((name) => used.has(name)));
});

Deno.test("complaints() finds what a dashboard could have wrong", () => {
  const wrong: [string, string, RegExp][] = [
    ["rate(shrike_no_such_total[5m])", "", /there is no shrike_no_such_total/],
    ['shrike_policies{mode="x"}', "", /has no label mode/],
    ["shrike_loss_total > 0", "", /counter without rate/],
    ["rate(shrike_policies[5m])", "", /no counter/],
    ["sum by (sink) (rate(shrike_loss_total[5m]))", "", /no metric of it has the label sink/],
    ["sum by (job) (rate(shrike_loss_total[5m]))", "{{cause}}", /the sum has no label cause/],
    ["shrike_policies", "{{colour}}", /has the label colour/],
    ["1 + 1", "", /no metric/],
  ];
  for (const [expression, text, expected] of wrong) {
    assert.match(complaints({ place: "p", expression, texts: [text] }).join("\n"), expected);
  }
  const right = 'sum by (job, cause) (rate(shrike_loss_total{cause!~"a|b"}[5m])) > 0';
  assert.deepEqual(complaints({ place: "p", expression: right, texts: ["{{cause}}"] }), []);
});

const promtool = ["/usr/bin/promtool", "/usr/local/bin/promtool"].find((path) => {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
});

async function promtoolFindsNothing(args: readonly string[], cwd: string): Promise<void> {
  const { code, stdout, stderr } = await new Deno.Command(promtool!, { args: [...args], cwd })
    .output();
  const text = new TextDecoder().decode(new Uint8Array([...stdout, ...stderr]));
  assert.equal(code, 0, text);
}

for (const args of [["check", "rules", "alerts.yaml"], ["test", "rules", "alerts_test.yaml"]]) {
  Deno.test({
    name: `promtool ${args.join(" ")} finds nothing wrong`,
    ignore: promtool === undefined,
    fn: () => promtoolFindsNothing(args, FOLDER),
  });
}

Deno.test({
  name: "promtool takes every query of dashboard.json",
  ignore: promtool === undefined,
  async fn() {
    const rules = dashboard().panels.flatMap(({ targets = [] }) => targets)
      .map(({ expr }, i) => ({
        record: `query_${i}`,
        expr: expr.replaceAll("$__rate_interval", "5m").replaceAll("$__range", "1h")
          .replaceAll("$top", "10"),
      }));
    const folder = await Deno.makeTempDir({ prefix: "shrike-dashboard-" });
    try {
      // JSON is YAML.
      const text = JSON.stringify({ groups: [{ name: "dashboard", rules }] });
      await Deno.writeTextFile(`${folder}/rules.yaml`, text);
      await promtoolFindsNothing(["check", "rules", "rules.yaml"], folder);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
