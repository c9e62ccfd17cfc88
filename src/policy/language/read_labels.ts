/**
 * Label selectors of the published form: `matchLabels` and `matchExpressions`.
 *
 * @module
 */
import type { LabelTerm } from "../model.ts";
import { LABEL_EXPRESSION, LABEL_SELECTOR } from "./document_sections.ts";
import { quoted, type Spot } from "./policy_problem.ts";
import { describe, openSection, type SectionReading, spotOf, suggestion } from "./section.ts";
import type { YamlMap, YamlNode } from "./yaml_tree.ts";

/** What the terms of both selectors come to. */
export interface LabelOwner {
  readonly labels: LabelTerm[];
  readonly names: string[];
  readonly notNames: string[];
  namespaces: string[];
}

type Operator = LabelTerm["operator"];

/** A term with its place. */
interface Term extends LabelTerm {
  readonly spot: Spot;
}

const OPERATORS: readonly Operator[] = ["In", "NotIn", "Exists", "DoesNotExist"];
/** The published form gives pods their namespace as a label of this name. */
const NAMESPACE_LABEL = "k8s:io.kubernetes.pod.namespace";
/** The only thing `containerSelector` knows. */
const NAME_LABEL = "name";
/** Kubernetes allows no other labels, so none could ever match. */
const LABEL_KEY = /^(k8s:)?([A-Za-z0-9.-]{1,253}\/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/;
const LABEL_VALUE = /^([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$/;
const TERMS_MAX = 64;

/** Adds what `node` says to `owner`. */
export function readLabelSelector(
  node: YamlMap,
  kind: "pod" | "container",
  { owner, reading }: { owner: LabelOwner; reading: SectionReading },
): void {
  const fields = openSection(node, LABEL_SELECTOR, reading);
  if (fields === undefined) return;
  const terms = [
    ...labelTerms(fields.map("matchLabels"), reading),
    ...fields.items("matchExpressions").flatMap((item) => expressionTerms(item, reading)),
  ];
  if (terms.length > TERMS_MAX) {
    reading.problems.add(
      node,
      `${terms.length} conditions on labels`,
      `write at most ${TERMS_MAX}`,
    );
  }
  for (const term of terms.slice(0, TERMS_MAX)) {
    if (kind === "container") addName(term, owner, reading);
    else if (term.key === NAMESPACE_LABEL) addNamespace(term, owner, reading);
    else {
      const { key, operator, values } = term;
      owner.labels.push({ key, operator, values });
    }
  }
}

function labelTerms(map: YamlMap | undefined, reading: SectionReading): Term[] {
  const terms: Term[] = [];
  for (const { key, place, path, value } of map?.entries.values() ?? []) {
    const spot = { place, path, found: key };
    if (!isKey(key, spot, reading)) continue;
    const values = value.kind === "empty" ? [""] : labelValues([value], reading);
    terms.push({ key, operator: "In", values, spot });
  }
  return terms;
}

function expressionTerms(node: YamlNode, reading: SectionReading): Term[] {
  const fields = openSection(node, LABEL_EXPRESSION, reading);
  const [key, name] = [fields?.text("key"), fields?.text("operator")];
  if (fields === undefined || key === undefined || name === undefined) return [];
  if (!isKey(key, fields.valueSpot("key"), reading)) return [];
  const operator = OPERATORS.find((operator) => operator === name);
  if (operator === undefined) {
    const text = quoted(name, "is no operator of labels");
    const spot = fields.valueSpot("operator");
    reading.problems.add(spot, text, suggestion(name, OPERATORS));
    return [];
  }
  const values = labelValues(fields.items("values"), reading);
  const wantsValues = operator === "In" || operator === "NotIn";
  if (wantsValues === fields.items("values").length > 0) {
    return [{ key, operator, values, spot: fields }];
  }
  reading.problems.add(
    fields.spot("values"),
    `${operator} has ${wantsValues ? "no values" : "values"}`,
    wantsValues ? "write values: [VALUE]" : "take values away, or use In",
  );
  return [];
}

function labelValues(nodes: readonly YamlNode[], { problems }: SectionReading): string[] {
  return nodes.flatMap((node) => {
    if (node.kind === "scalar" && LABEL_VALUE.test(node.text)) return [node.text];
    problems.add(
      spotOf(node),
      `${describe(node)} is no value of a label`,
      "it has 63 letters, digits, -, _ and . at most; globs belong into workloadSelector",
    );
    return [];
  });
}

function isKey(key: string, spot: Spot, { problems }: SectionReading): boolean {
  if (LABEL_KEY.test(key)) return true;
  problems.add(spot, quoted(key, "is no label"), "write such as app or example.org/app");
  return false;
}

function addName(
  { key, operator, values, spot }: Term,
  owner: LabelOwner,
  reading: SectionReading,
) {
  if (key !== NAME_LABEL) {
    const text = `containers are selected by name, not by ${key}`;
    const hint = "use name, or label and image in workloadSelector";
    reading.problems.add({ ...spot, found: key }, text, hint);
  } else if (operator === "In") {
    narrow(owner.names, { values, spot, what: "names", reading });
  } else if (operator === "NotIn") owner.notNames.push(...values);
  else {
    const text = `${operator} says nothing about names: every container has one`;
    reading.problems.add({ ...spot, found: operator }, text, "use In or NotIn");
  }
}

function addNamespace(
  { operator, values, spot }: Term,
  owner: LabelOwner,
  reading: SectionReading,
) {
  if (operator === "In") {
    narrow(owner.namespaces, { values, spot, what: "namespaces", reading });
    return;
  }
  reading.problems.add(
    { ...spot, found: operator },
    `${operator} on the namespace is not supported: namespaces are not left out`,
    "use In with the namespaces that are meant",
  );
}

/** A second condition on the same thing leaves what both have. */
function narrow(
  kept: string[],
  { values, spot, what, reading }: {
    values: readonly string[];
    spot: Spot;
    what: string;
    reading: SectionReading;
  },
): void {
  const both = kept.length === 0 ? values : values.filter((value) => kept.includes(value));
  if (both.length === 0 && values.length > 0) {
    reading.problems.add(spot, `no pod can have these ${what} at once`, "keep one condition");
  }
  kept.splice(0, kept.length, ...both);
}
