/**
 * The text of a file becomes policies, templates and bindings, or the mistakes in it.
 *
 * @module
 */
import type { Place } from "../model.ts";
import type { Architecture } from "../syscalls.ts";
import { BINDING_SPEC, DOCUMENT, METADATA, SPEC, TEMPLATE_SPEC } from "./document_sections.ts";
import type { PolicyDocument, PolicyTemplate, TemplateBinding } from "./policy_document.ts";
import { type PolicyProblem, PolicyProblems, quoted } from "./policy_problem.ts";
import { readModeKey, readSpec } from "./read_spec.ts";
import { readWorkloads } from "./read_workloads.ts";
import { type Fields, openSection, type SectionReading, suggestion } from "./section.ts";
import { readVariables } from "./variables.ts";
import { finish } from "../slices.ts";
import { readYaml, type YamlNode } from "./yaml_tree.ts";

/** What a file comes to. */
export interface ReadFile {
  /** Those without mistakes. */
  readonly documents: readonly PolicyDocument[];
  /** What stands in the file for each of them, by `documentKey()`. */
  readonly texts: ReadonlyMap<string, string>;
  /** In the order of the file; none: all is right. */
  readonly problems: readonly PolicyProblem[];
  /** Mistakes beyond those that are told. */
  readonly omittedCount: number;
  /** What is right but has no effect. */
  readonly notes: readonly PolicyProblem[];
}

/** Where the text is from, and for which machine it is read. */
export interface ReadOptions {
  /** Name of the file for places. */
  readonly file: string;
  /** This machine's when it is missing. */
  readonly architecture?: Architecture;
}

/** A document whose head has been read. */
interface Head {
  readonly name: string;
  readonly namespace?: string;
  readonly place: Place;
  readonly spec: YamlNode;
  readonly reading: DocumentReading;
}

/** While a document is read. */
export interface DocumentReading extends SectionReading {
  readonly architecture: Architecture;
}

/** A kind of document. */
interface Kind {
  /** Only under shrike.io/v1alpha1. */
  readonly isExtension: boolean;
  readonly hasNamespace: boolean;
  read(head: Head): PolicyDocument | undefined;
}

const PUBLISHED_API = "cilium.io/v1alpha1";
const EXTENDED_API = "shrike.io/v1alpha1";

const KINDS: Readonly<Record<string, Kind>> = {
  TracingPolicy: { isExtension: false, hasNamespace: false, read: readPolicy },
  TracingPolicyNamespaced: { isExtension: false, hasNamespace: true, read: readPolicy },
  TracingPolicyTemplate: { isExtension: true, hasNamespace: false, read: readTemplate },
  TracingPolicyBinding: { isExtension: true, hasNamespace: false, read: readBinding },
};

/** Where a policy of a namespace is when it does not say. */
const DEFAULT_NAMESPACE = "default";
/** Names of Kubernetes objects (RFC 1123). */
const NAME = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;
const NAMESPACE = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const PRIORITY_MAX = 1_000_000;

/** Reads a file; never throws, whatever is in it. */
export function readPolicies(text: string | Uint8Array, options: ReadOptions): ReadFile {
  return finish(readingPolicies(text, options));
}

/** As `readPolicies()`, in steps; see `finishInSlices()`. */
export function* readingPolicies(
  text: string | Uint8Array,
  options: ReadOptions,
): Generator<void, ReadFile> {
  const problems = new PolicyProblems();
  const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
  const trees = yield* readYaml(bytes, options.file, problems);
  const architecture = options.architecture ?? Deno.build.arch;
  const documents: PolicyDocument[] = [];
  const texts = new Map<string, string>();
  const places = new Map<string, Place>();
  for (const { tree, text } of trees) {
    yield;
    const before = problems.count;
    const document = readDocument(tree, { problems, isExtended: true, architecture });
    if (document === undefined || problems.count > before) continue;
    const { key, place } = documentKey(document);
    const other = places.get(key);
    if (other === undefined) {
      places.set(key, place);
      documents.push(document);
      texts.set(key, text);
    } else {
      const text = `the name ${key} is taken by the document in line ${other.line}`;
      problems.add({ place, path: "metadata.name" }, text, "give one another name");
    }
  }
  if (trees.length === 0 && problems.count === 0) {
    const place = { file: options.file, line: 1, column: 1 };
    problems.add({ place, path: "" }, "the file has no policy", "write apiVersion, kind, spec");
  }
  return {
    ...{ documents, texts },
    problems: problems.problems.toSorted(byPlace),
    omittedCount: problems.omittedCount,
    notes: problems.notes.toSorted(byPlace),
  };
}

/** Names a document among all that are loaded; templates have names of their own. */
export function documentKey(document: PolicyDocument): { key: string; place: Place } {
  switch (document.kind) {
    case "policy": {
      const { name, namespace, place } = document.policy;
      return { key: namespace === undefined ? name : `${namespace}/${name}`, place };
    }
    case "binding":
      return { key: document.binding.name, place: document.binding.place };
    case "template":
      return { key: `template ${document.template.name}`, place: document.template.place };
  }
}

function readDocument(node: YamlNode, reading: DocumentReading): PolicyDocument | undefined {
  const fields = openSection(node, DOCUMENT, reading);
  if (fields === undefined) return undefined;
  const { problems } = reading;
  const [api, kindName] = [fields.text("apiVersion"), fields.text("kind")];
  // What is below is told too, where it does not say which form it has: as the wider one.
  const isExtended = api !== PUBLISHED_API;
  if (api !== undefined && api !== EXTENDED_API && api !== PUBLISHED_API) {
    const spot = fields.valueSpot("apiVersion");
    problems.add(
      spot,
      quoted(api, "is no apiVersion"),
      suggestion(api, [PUBLISHED_API, EXTENDED_API]),
    );
  }
  const kind = kindName === undefined
    ? KINDS["TracingPolicy"]
    : Object.hasOwn(KINDS, kindName)
    ? KINDS[kindName]
    : undefined;
  const metadata = fields.node("metadata");
  const spec = fields.node("spec");
  if (kind === undefined) {
    if (kindName !== undefined) {
      const spot = fields.valueSpot("kind");
      problems.add(spot, quoted(kindName, "is no kind"), suggestion(kindName, Object.keys(KINDS)));
    }
    return undefined;
  }
  const inner = { ...reading, isExtended };
  if (kind.isExtension && !isExtended) {
    const spot = fields.valueSpot("kind");
    problems.add(
      spot,
      `${kindName} is no kind of the published form`,
      `write apiVersion: ${EXTENDED_API}`,
    );
  }
  const names = metadata === undefined ? {} : readNames(metadata, kind, inner);
  if (spec === undefined) return undefined;
  const { name, namespace } = names;
  // What is below is told too, when the name is wrong.
  const document = kind.read({
    name: name ?? "",
    ...(namespace === undefined ? {} : { namespace }),
    place: fields.place,
    spec,
    reading: inner,
  });
  return name === undefined ? undefined : document;
}

function readNames(
  node: YamlNode,
  { hasNamespace }: Kind,
  reading: DocumentReading,
): { name?: string; namespace?: string } {
  const fields = openSection(node, METADATA, reading);
  if (fields === undefined) return {};
  const [name, given] = [fields.text("name"), fields.text("namespace")];
  const { problems } = reading;
  if (name !== undefined && !NAME.test(name)) {
    const spot = fields.valueSpot("name");
    const hint = "it has 253 small letters, digits, - and . at most, such as file-monitoring";
    problems.add(spot, quoted(name, "is no name of a policy"), hint);
    return {};
  }
  if (!hasNamespace && given !== undefined) {
    const spot = fields.valueSpot("namespace");
    const text = "a policy of all namespaces has a namespace";
    problems.add(spot, text, "write kind: TracingPolicyNamespaced, or take it away");
  }
  if (given !== undefined && !NAMESPACE.test(given)) {
    const spot = fields.valueSpot("namespace");
    const hint = "it has 63 small letters, digits and - at most";
    problems.add(spot, quoted(given, "is no name of a namespace"), hint);
  }
  return {
    ...(name === undefined ? {} : { name }),
    ...(hasNamespace ? { namespace: given ?? DEFAULT_NAMESPACE } : {}),
  };
}

function readPolicy({ name, namespace, place, spec, reading }: Head): PolicyDocument | undefined {
  const fields = openSection(spec, SPEC, reading);
  if (fields === undefined) return undefined;
  const workloads = readWorkloads(
    fields,
    namespace === undefined ? { reading } : {
      namespace,
      reading,
    },
  );
  const policy = {
    name,
    ...(namespace === undefined ? {} : { namespace }),
    place,
    workloads,
    ...readSpec(fields, reading),
  };
  return { kind: "policy", policy };
}

function readTemplate({ name, place, spec, reading }: Head): PolicyDocument | undefined {
  const fields = openSection(spec, TEMPLATE_SPEC, reading);
  if (fields === undefined) return undefined;
  const variables = readVariables(fields, reading);
  const bound = [...variables].map(([name, variable]) => {
    const values = variable.initial;
    return [name, values === undefined ? { variable } : { variable, values }] as const;
  });
  // Read without values for what can be known now; each binding reads it again.
  readSpec(fields, { ...reading, variables: new Map(bound) });
  const template: PolicyTemplate = { name, place, variables, spec };
  return { kind: "template", template };
}

function readBinding({ name, place, spec, reading }: Head): PolicyDocument | undefined {
  const fields = openSection(spec, BINDING_SPEC, reading);
  const template = fields?.text("template");
  if (fields === undefined || template === undefined) return undefined;
  const mode = readModeKey(fields, reading);
  const values: TemplateBinding["values"] = new Map(
    [...fields.map("values")?.entries.values() ?? []].map((entry) => [
      entry.key,
      { spot: { place: entry.place, path: entry.path, found: entry.key }, node: entry.value },
    ]),
  );
  const binding: TemplateBinding = {
    name,
    place,
    template,
    templateSpot: fields.valueSpot("template"),
    valuesSpot: fields.spot("values"),
    values,
    workloads: readWorkloads(fields, { reading }),
    ...(mode === undefined ? {} : { mode }),
    ...readOverrides(fields, reading),
  };
  return { kind: "binding", binding };
}

function readOverrides(
  fields: Fields,
  { problems }: DocumentReading,
): Pick<TemplateBinding, "overrideAllowed" | "overridePriority"> {
  const overrideAllowed = fields.boolean("overrideAllowed", false);
  const overridePriority = fields.integer("overridePriority") ?? 0;
  if (Math.abs(overridePriority) > PRIORITY_MAX) {
    const text = `overridePriority is ${overridePriority}`;
    problems.add(
      fields.valueSpot("overridePriority"),
      text,
      `write -${PRIORITY_MAX} to ${PRIORITY_MAX}`,
    );
  }
  if (fields.has("overridePriority") && !overrideAllowed) {
    const text = "overridePriority has no effect without overrideAllowed";
    problems.add(fields.spot("overridePriority"), text, "write overrideAllowed: true beside it");
  }
  return { overrideAllowed, overridePriority };
}

function byPlace({ place: a }: PolicyProblem, { place: b }: PolicyProblem): number {
  return a.line - b.line || a.column - b.column;
}
