/**
 * Whom a policy or a selector is about.
 *
 * @module
 */
import type { WorkloadKind } from "../../events/mod.ts";
import type { LabelTerm, WorkloadSelector } from "../model.ts";
import { HOST_SELECTOR, WORKLOAD_SELECTOR } from "./document_sections.ts";
import { type LabelOwner, readLabelSelector } from "./read_labels.ts";
import { quote } from "../../telemetry/mod.ts";
import { quoted, type Spot } from "./policy_problem.ts";
import {
  describe,
  type Fields,
  openSection,
  type SectionReading,
  spotOf,
  suggestion,
} from "./section.ts";
import type { YamlNode } from "./yaml_tree.ts";

/** What `podSelector` and `containerSelector` are about; a pod without a runtime has no labels. */
const CONTAINED: readonly WorkloadKind[] = ["container", "pod"];
/** What `hostSelector` is about: everything else. */
const HOST: readonly WorkloadKind[] = [
  ...["machine", "service", "scope", "slice", "unit", "session", "host"] as const,
];
const KINDS: readonly string[] = [...CONTAINED, ...HOST];

/** Selectors of one policy, and globs of one key. */
const SELECTORS_MAX = 64;
const GLOBS_MAX = 64;
const GLOB_LENGTH_MAX = 4096;
/** (uid_t)-1 is nobody's. */
const UID_MAX = 0xffff_fffe;

/** Those of a policy, of a binding or of `matchWorkloads`; empty: everything on the host. */
export function readWorkloads(
  fields: Fields,
  { namespace, reading }: { namespace?: string; reading: SectionReading },
): WorkloadSelector[] {
  const published = readPublished(fields, { ...ifGiven("namespace", namespace), reading });
  const node = fields.node("workloadSelector");
  if (node === undefined) return published;
  if (published.length > 0) {
    reading.problems.add(
      fields.spot("workloadSelector"),
      "workloadSelector stands beside a selector of the published form",
      "write podLabel, podNamespace and containerName into workloadSelector",
    );
  }
  const items = node.kind === "list" ? node.items : [node];
  if (items.length === 0 || items.length > SELECTORS_MAX) {
    const text = `workloadSelector has ${items.length} selectors`;
    reading.problems.add(fields.spot("workloadSelector"), text, `write 1 to ${SELECTORS_MAX}`);
  }
  return items.slice(0, SELECTORS_MAX).map((item) => readSelector(item, reading))
    .filter((selector) => selector !== undefined);
}

function readPublished(
  fields: Fields,
  { namespace, reading }: { namespace?: string; reading: SectionReading },
): WorkloadSelector[] {
  const selectors: WorkloadSelector[] = [];
  const [pods, containers] = [fields.map("podSelector"), fields.map("containerSelector")];
  if (pods !== undefined || containers !== undefined || namespace !== undefined) {
    const podNamespaces = namespace === undefined ? [] : [namespace];
    const owner: LabelOwner = { labels: [], names: [], notNames: [], namespaces: podNamespaces };
    if (pods !== undefined) readLabelSelector(pods, "pod", { owner, reading });
    if (containers !== undefined) readLabelSelector(containers, "container", { owner, reading });
    selectors.push({
      place: (pods ?? containers ?? fields).place,
      kinds: CONTAINED,
      ...ifAny("podLabels", owner.labels),
      ...ifAny("podNamespaces", owner.namespaces),
      ...ifAny("containerNames", owner.names),
      ...ifAny("notContainerNames", owner.notNames),
    });
  }
  const host = fields.map("hostSelector");
  if (host === undefined) return selectors;
  if (namespace !== undefined) {
    reading.problems.add(
      fields.spot("hostSelector"),
      "a policy of a namespace is not for the host",
      "write kind: TracingPolicy",
    );
  }
  openSection(host, HOST_SELECTOR, reading);
  return [...selectors, { place: host.place, kinds: HOST }];
}

function readSelector(node: YamlNode, reading: SectionReading): WorkloadSelector | undefined {
  const fields = openSection(node, WORKLOAD_SELECTOR, reading);
  if (fields === undefined) return undefined;
  const globs = (key: string) => readGlobs(fields, key, reading);
  const users = fields.scalars("user").flatMap((value) => {
    if (/^[0-9]{1,10}$/.test(value.text) && Number(value.text) <= UID_MAX) {
      return [Number(value.text)];
    }
    const text = quoted(value.text, "is no uid");
    reading.problems.add(spotOf(value), text, `write a number, 0 to ${UID_MAX}: id -u NAME`);
    return [];
  });
  const selector = {
    place: fields.place,
    ...ifAny("kinds", readKinds(fields, reading)),
    ...ifAny("names", globs("name")),
    ...ifAny("images", globs("image")),
    ...ifAny("labels", readLabels(fields, "label", reading)),
    ...ifAny("units", globs("unit")),
    ...ifAny("slices", globs("slice")),
    ...ifAny("users", users),
    ...ifAny("cgroupPaths", globs("cgroupPath")),
    ...ifAny("podLabels", readLabels(fields, "podLabel", reading)),
    ...ifAny("podNamespaces", globs("podNamespace")),
    ...ifAny("containerNames", globs("containerName")),
    ...ifAny("runtimes", globs("runtime")),
  };
  if (Object.keys(selector).length === 1 && node.kind === "map" && node.entries.size === 0) {
    const hint = "write a key, or leave workloadSelector out to mean everything";
    reading.problems.add(spotOf(node), "a workload selector selects nothing", hint);
  }
  return selector;
}

function readKinds(fields: Fields, { problems }: SectionReading): string[] {
  return fields.scalars("kind").flatMap((value) => {
    if (KINDS.includes(value.text)) return [value.text];
    const text = quoted(value.text, "is no kind of workload");
    problems.add(spotOf(value), text, suggestion(value.text, KINDS));
    return [];
  });
}

function readGlobs(fields: Fields, key: string, { problems }: SectionReading): string[] {
  const values = fields.scalars(key);
  if (fields.has(key)) checkCount(values.length, fields.spot(key), { key, problems });
  return values.slice(0, GLOBS_MAX).flatMap((value) => {
    if (value.text !== "" && value.text.length <= GLOB_LENGTH_MAX) return [value.text];
    const text = value.text === "" ? `${key} has an empty text` : `${key} has a text too long`;
    problems.add(spotOf(value), text, `write 1 to ${GLOB_LENGTH_MAX} characters`);
    return [];
  });
}

/** `label: {app: web, tier: [a, b], canary: }` */
function readLabels(fields: Fields, key: string, { problems }: SectionReading): LabelTerm[] {
  const map = fields.map(key);
  if (map === undefined) return [];
  checkCount(map.entries.size, fields.spot(key), { key, problems });
  const terms: LabelTerm[] = [];
  for (const { key: label, value } of map.entries.values()) {
    const items = value.kind === "list" ? value.items : value.kind === "empty" ? [] : [value];
    const values = items.flatMap((item) => {
      if (item.kind === "scalar") return [item.text];
      problems.add(spotOf(item), `a label has ${describe(item)}`, "write a value");
      return [];
    });
    if (value.kind === "list" && items.length === 0) {
      problems.add(spotOf(value), `label ${quote(label)} has an empty list`, "write a value");
    }
    terms.push(
      value.kind === "empty"
        ? { key: label, operator: "Exists", values: [] }
        : { key: label, operator: "In", values },
    );
  }
  return terms;
}

function checkCount(
  count: number,
  spot: Spot,
  { key, problems }: { key: string } & Pick<SectionReading, "problems">,
): void {
  if (count > 0 && count <= GLOBS_MAX) return;
  problems.add(spot, `${key} has ${count} values`, `write 1 to ${GLOBS_MAX}`);
}

function ifAny<Key extends string, Item>(
  key: Key,
  items: readonly Item[],
): { [key in Key]?: readonly Item[] } {
  return items.length === 0 ? {} : { [key]: items } as { [key in Key]: readonly Item[] };
}

function ifGiven<Key extends string, Value>(
  key: Key,
  value: Value | undefined,
): { [key in Key]?: Value } {
  return value === undefined ? {} : { [key]: value } as { [key in Key]: Value };
}
