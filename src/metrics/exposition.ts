/**
 * Samples as text for Prometheus, by its client library: the text format 0.0.4, or OpenMetrics.
 *
 * @module
 */
import { setImmediate } from "node:timers";
import {
  Counter,
  Gauge,
  openMetricsContentType as OPENMETRICS_TYPE,
  prometheusContentType as TEXT_TYPE,
  Registry,
  type RegistryContentType,
} from "prom-client";
import type { Sample } from "../telemetry/mod.ts";
import { labelValue } from "./sample.ts";

/** How a scrape is written. */
export type ExpositionFormat = "text" | "openmetrics";

/** By format. */
export const CONTENT_TYPES: Readonly<Record<ExpositionFormat, string>> = {
  text: TEXT_TYPE,
  openmetrics: OPENMETRICS_TYPE,
};

/** Work at a time before events have their turn. */
const SLICE_MS = 5;
/** About a millisecond of work. */
const SERIES_AT_A_TIME = 100;
const OPENMETRICS_END = "# EOF\n";

/**
 * Samples of one name must have one kind, one help and the same label names. Counters of equal
 * labels add up; of equal gauges the last is told. Values that are no finite numbers are left out.
 */
export async function writeExposition(
  samples: Iterable<Sample>,
  format: ExpositionFormat,
): Promise<string> {
  const slices = new Slices();
  const parts: string[] = [];
  for (const family of await familiesOf(samples, slices)) {
    for await (const part of writeFamily(family, format)) {
      parts.push(part);
      if (slices.isOver) await slices.next();
    }
  }
  return parts.join("") + (format === "openmetrics" ? OPENMETRICS_END : "");
}

/** Work in slices, between which events have their turn. */
class Slices {
  #endMs = performance.now() + SLICE_MS;

  get isOver(): boolean {
    return performance.now() >= this.#endMs;
  }

  async next(): Promise<void> {
    // Not setTimeout(): the thread would sleep, and on a busy machine wait long for its next turn.
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.#endMs = performance.now() + SLICE_MS;
  }
}

/** Series of one name. */
interface Family extends Pick<Sample, "name" | "kind" | "help"> {
  readonly labelNames: readonly string[];
  /** By the values of the labels. */
  readonly series: Map<string, { readonly labels: Record<string, string>; value: number }>;
}

/** By name, in the order of the first sample of each. */
async function familiesOf(
  samples: Iterable<Sample>,
  slices: Slices,
): Promise<Iterable<Family>> {
  const families = new Map<string, Family>();
  const cleanValues = new Map<string, string>();
  let count = 0;
  for (const { name, kind, help, labels, value } of samples) {
    if (++count % SERIES_AT_A_TIME === 0 && slices.isOver) await slices.next();
    // What is not known is not told. The library writes NaN in a way of its own.
    if (!Number.isFinite(value)) continue;
    let family = families.get(name);
    if (family === undefined) {
      family = { name, kind, help, labelNames: Object.keys(labels), series: new Map() };
      families.set(name, family);
    }
    const clean: Record<string, string> = {};
    let key = "";
    for (const label of family.labelNames) {
      const text = labels[label] ?? "";
      let cleanText = cleanValues.get(text);
      if (cleanText === undefined) cleanValues.set(text, cleanText = labelValue(text));
      clean[label] = cleanText;
      key += `${cleanText}\0`;
    }
    const known = family.series.get(key);
    if (known === undefined) family.series.set(key, { labels: clean, value });
    else known.value = kind === "counter" ? known.value + value : value;
  }
  return families.values();
}

/** A registry has some series of one metric, so that the work can be cut into slices. */
async function* writeFamily(family: Family, format: ExpositionFormat): AsyncGenerator<string> {
  const { name, kind, help, labelNames } = family;
  const all = [...family.series.values()];
  for (let at = 0; at < all.length; at += SERIES_AT_A_TIME) {
    const registry = new Registry<RegistryContentType>();
    registry.setContentType(CONTENT_TYPES[format] as RegistryContentType);
    const options = { name, help, labelNames, registers: [registry] };
    const some = all.slice(at, at + SERIES_AT_A_TIME);
    if (kind === "counter") {
      const metric = new Counter(options);
      for (const { labels, value } of some) metric.inc(labels, Math.max(0, value));
    } else {
      const metric = new Gauge(options);
      for (const { labels, value } of some) metric.set(labels, value);
    }
    const text = await registry.metrics();
    const series = format === "openmetrics" ? text.slice(0, -OPENMETRICS_END.length) : text;
    // The lines of help and kind belong before the first series only.
    yield at === 0 ? series : series.replace(/^#.*\n#.*\n/, "");
  }
}

/**
 * The format that an Accept header of HTTP asks for; text when it asks for nothing we have, which
 * is what every scraper reads.
 */
export function chooseFormat(accept: string | undefined): ExpositionFormat {
  let [openMetrics, text] = [0, 0];
  for (const range of (accept ?? "").toLowerCase().split(",")) {
    const [type = "", ...parameters] = range.split(";").map((part) => part.trim());
    const quality = qualityOf(parameters);
    const version = parameters.find((part) => part.startsWith("version="))?.slice(8);
    const isKnown = version === undefined || version.replaceAll('"', "").startsWith("1.");
    if (type === "application/openmetrics-text" && isKnown) {
      openMetrics = Math.max(openMetrics, quality);
    } else if (["text/plain", "text/*", "*/*"].includes(type)) text = Math.max(text, quality);
  }
  return openMetrics > 0 && openMetrics >= text ? "openmetrics" : "text";
}

/** Whether an Accept-Encoding header of HTTP takes gzip. */
export function acceptsGzip(acceptEncoding: string | undefined): boolean {
  let [gzip, any]: (number | undefined)[] = [];
  for (const range of (acceptEncoding ?? "").toLowerCase().split(",")) {
    const [coding, ...parameters] = range.split(";").map((part) => part.trim());
    if (coding === "gzip" || coding === "x-gzip") gzip = qualityOf(parameters);
    else if (coding === "*") any = qualityOf(parameters);
  }
  return (gzip ?? any ?? 0) > 0;
}

/** `q=` of RFC 9110, 1 when there is none; what is no number counts as 0. */
function qualityOf(parameters: readonly string[]): number {
  const text = parameters.find((part) => part.startsWith("q="))?.slice(2);
  if (text === undefined) return 1;
  return /^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.test(text) ? Number(text) : 0;
}
