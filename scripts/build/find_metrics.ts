/**
 * Every metric of the agent, found in its sources: a name in quotes with its help behind it.
 *
 * Counters are made all over the code, some of them when something first happens, so no running
 * agent has all of them. What the sources cannot be asked, labels that are made elsewhere, is in
 * metric_labels.ts, and an end-to-end test compares what an agent tells with the table.
 *
 * @module
 */
import { join, relative } from "node:path";
import { listFiles } from "./build_step.ts";
import { LABEL_MEANINGS, METRIC_LABELS } from "./metric_labels.ts";

/** One metric. */
export interface FoundMetric {
  readonly name: string;
  readonly kind: "counter" | "gauge";
  readonly help: string;
  readonly labels: readonly string[];
}

/** Something that would make the table wrong. */
export class MetricError extends Error {
  constructor(place: string, state: string, readonly hint: string) {
    super(`Cannot document the metric at "${place}": ${state}`);
    this.name = "MetricError";
  }
}

/** Names of ours; `process_` and `deno_` are also words of other things outside the room. */
const NAME = /"((?:shrike|process|deno)_[a-z0-9_]+)"/g;
/** What stands behind a name: its help, a second part of it, and the beginning of the labels. */
const HELP = /^,\s*"((?:[^"\\]|\\.)*)"(\s*\+)?\s*,?\s*(\{[^{}]*\}?)?/;
const MADE_UP = /`[^`\n]*shrike_[^`\n]*\$\{/;
const METRICS_ROOM = "src/metrics/";

/** All metrics below `src/`, by name. */
export async function findMetrics(root: string): Promise<FoundMetric[]> {
  const sources = new Map<string, string>();
  for (const path of await listFiles(join(root, "src"))) {
    const isSource = path.endsWith(".ts") && !path.endsWith("_test.ts") &&
      !path.includes("/generated/");
    if (isSource) sources.set(relative(root, path), await Deno.readTextFile(path));
  }
  return metricsIn(sources);
}

/**
 * The same of texts by path.
 *
 * @throws {MetricError} a name without help, or with two, or whose labels are not known
 */
export function metricsIn(
  sources: ReadonlyMap<string, string>,
  labelsByName: Readonly<Record<string, readonly string[]>> = METRIC_LABELS,
): FoundMetric[] {
  const found = new Map<string, FoundMetric>();
  const mentioned = new Map<string, string>();
  for (const [path, text] of sources) {
    if (MADE_UP.test(text)) {
      throw new MetricError(path, "its name is put together", "write each name whole");
    }
    for (const match of text.matchAll(NAME)) {
      const name = match[1]!;
      if (!name.startsWith("shrike_") && !path.startsWith(METRICS_ROOM)) continue;
      const place = `${path}: ${name}`;
      mentioned.set(name, place);
      const metric = readMetric(name, text.slice(match.index + match[0].length), place);
      if (metric !== undefined) enter(found, metric, place);
    }
  }
  for (const [name, place] of mentioned) {
    if (!found.has(name)) {
      throw new MetricError(place, "it has no help", "write its help in quotes behind the name");
    }
  }
  return [...found.values()].map((metric) => withLabels(metric, labelsByName))
    .sort((a, b) => a.name < b.name ? -1 : 1);
}

function readMetric(name: string, rest: string, place: string): FoundMetric | undefined {
  const match = HELP.exec(rest);
  if (match === null) return undefined;
  const [, help = "", isContinued, labels = "{}"] = match;
  if (isContinued !== undefined) {
    throw new MetricError(place, "its help has several parts", "write it in one pair of quotes");
  }
  if (!labels.endsWith("}")) {
    throw new MetricError(place, "its labels have braces in them", "write { label: name }");
  }
  return {
    name,
    kind: name.endsWith("_total") ? "counter" : "gauge",
    help: JSON.parse(`"${help}"`),
    labels: labels.slice(1, -1).split(",").map((part) => part.split(":")[0]!.trim())
      .filter((label) => label !== ""),
  };
}

/** One metric may be made at several places, all of which must say the same. */
function enter(found: Map<string, FoundMetric>, metric: FoundMetric, place: string): void {
  const known = found.get(metric.name);
  if (known !== undefined && known.help !== metric.help) {
    throw new MetricError(place, `its help is "${known.help}" elsewhere`, "use one help");
  }
  if (known === undefined || known.labels.length === 0) found.set(metric.name, metric);
}

function withLabels(
  metric: FoundMetric,
  labelsByName: Readonly<Record<string, readonly string[]>>,
): FoundMetric {
  const given = labelsByName[metric.name];
  if (given !== undefined && metric.labels.length > 0) {
    const hint = "take its row out of scripts/build/metric_labels.ts";
    throw new MetricError(metric.name, "its labels stand in the source too", hint);
  }
  const labels = [...given ?? metric.labels].sort();
  const unknown = labels.find((label) => !(label in LABEL_MEANINGS));
  if (unknown === undefined) return { ...metric, labels };
  const hint = "add it to scripts/build/metric_labels.ts, or use one that is there";
  throw new MetricError(metric.name, `the label "${unknown}" has no meaning`, hint);
}
