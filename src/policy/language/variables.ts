/**
 * Variables of templates: their types, one row each, and where they may stand.
 *
 * @module
 */
import type { Place } from "../model.ts";
import { listed, quoted, type Spot } from "./policy_problem.ts";
import { type Fields, openSection, type SectionReading, suggestion } from "./section.ts";
import { VARIABLE } from "./document_sections.ts";
import {
  BadValue,
  type NumberForm,
  parseNetwork,
  parseNumber,
  type ValueForm,
} from "./value_form.ts";
import { SERVICES } from "./errno_names.ts";
import { CAPABILITIES } from "./kernel_words.ts";
import type { YamlNode, YamlScalar } from "./yaml_tree.ts";

/** What one value of a variable is. */
export interface VariableElement {
  readonly name: string;
  readonly what: string;
  /** What it can be compared with; words are numbers that have names. */
  readonly fits: readonly (ValueForm["kind"] | "word")[];
  /** What speaks against a value. */
  check(text: string): BadValue | undefined;
}

/** A variable of a template. */
export interface TemplateVariable {
  readonly name: string;
  readonly place: Place;
  readonly element: VariableElement;
  readonly isList: boolean;
  /** Where a binding gives none. */
  readonly initial?: readonly YamlScalar[];
}

/** A variable with what a binding gives it; without a binding it may have nothing yet. */
export interface BoundVariable {
  readonly variable: TemplateVariable;
  readonly values?: readonly YamlScalar[];
}

const INT: NumberForm = { kind: "number", bits: 65, isSigned: true };
const PORT: NumberForm = {
  ...{ kind: "number", bits: 16, isSigned: false, name: "port", words: SERVICES },
};
const CAPABILITY: NumberForm = {
  kind: "number",
  bits: 6,
  isSigned: false,
  words: CAPABILITIES,
  name: "capability",
};

function checkNumber(form: NumberForm): (text: string) => BadValue | undefined {
  return (text) => {
    const value = parseNumber(text, form, "x86_64");
    return value instanceof BadValue ? value : undefined;
  };
}

/** Types of variables; each also as a list: "stringList". */
export const VARIABLE_ELEMENTS: readonly VariableElement[] = [
  {
    name: "string",
    what: "any text",
    fits: ["text", "number", "word", "port", "address", "class"],
    check: () => undefined,
  },
  {
    name: "path",
    what: "a path from the root on",
    fits: ["text"],
    check: (text) =>
      text.startsWith("/") ? undefined : new BadValue("is no path from the root on", "write /..."),
  },
  {
    name: "int",
    what: "a whole number",
    fits: ["number", "word", "port"],
    check: checkNumber(INT),
  },
  { name: "port", what: "0 to 65535", fits: ["port", "number"], check: checkNumber(PORT) },
  {
    name: "address",
    what: "an address or a network",
    fits: ["address"],
    check: (text) => {
      const network = parseNetwork(text);
      return network instanceof BadValue ? network : undefined;
    },
  },
  {
    name: "capability",
    what: "such as CAP_SYS_ADMIN",
    fits: ["word"],
    check: checkNumber(CAPABILITY),
  },
];

/** Characters of a variable's name. */
const NAME = /^[A-Za-z_][A-Za-z0-9_-]{0,62}$/;
const LIST = "List";

/** All names of types. */
export function variableTypeNames(): string[] {
  return VARIABLE_ELEMENTS.flatMap(({ name }) => [name, `${name}${LIST}`]);
}

/** Reads `variables`. */
export function readVariables(
  spec: Fields,
  reading: SectionReading,
): ReadonlyMap<string, TemplateVariable> {
  const variables = new Map<string, TemplateVariable>();
  for (const item of spec.items("variables")) {
    const variable = readVariable(item, reading);
    if (variable === undefined) continue;
    if (variables.has(variable.name)) {
      reading.problems.add(
        { place: variable.place, path: item.path, found: variable.name },
        quoted(variable.name, "is declared twice"),
        "keep one of them",
      );
    } else variables.set(variable.name, variable);
  }
  return variables;
}

function readVariable(node: YamlNode, reading: SectionReading): TemplateVariable | undefined {
  const fields = openSection(node, VARIABLE, reading);
  const name = fields?.text("name");
  const type = fields?.text("type");
  if (fields === undefined || name === undefined || type === undefined) return undefined;
  if (!NAME.test(name)) {
    reading.problems.add(
      fields.valueSpot("name"),
      quoted(name, "is no name of a variable"),
      "it begins with a letter and has letters, digits, - and _, 63 at most",
    );
    return undefined;
  }
  const isList = type.endsWith(LIST);
  const elementName = isList ? type.slice(0, -LIST.length) : type;
  const element = VARIABLE_ELEMENTS.find(({ name }) => name === elementName);
  if (element === undefined) {
    reading.problems.add(
      fields.valueSpot("type"),
      quoted(type, "is no type of variables"),
      suggestion(type, variableTypeNames()),
    );
    return undefined;
  }
  const variable = { name, place: fields.place, element, isList };
  const node_ = fields.node("default");
  if (node_ === undefined) return variable;
  const initial = checkVariableValues(variable, node_, reading);
  return initial === undefined ? undefined : { ...variable, initial };
}

/** The values that `node` gives to a variable, or undefined and told. */
export function checkVariableValues(
  variable: Pick<TemplateVariable, "name" | "element" | "isList">,
  node: YamlNode,
  { problems }: SectionReading,
): readonly YamlScalar[] | undefined {
  const { name, element, isList } = variable;
  const spot: Spot = node;
  if (isList !== (node.kind === "list")) {
    const text = `variable ${name} ${isList ? "is a list" : "has one value"}`;
    problems.add(spot, text, isList ? "write [VALUE, ...]" : "write one value");
    return undefined;
  }
  const items = node.kind === "list" ? node.items : [node];
  const values: YamlScalar[] = [];
  for (const item of items) {
    if (item.kind !== "scalar") {
      problems.add(item, `variable ${name} has a value that is no word`, `write ${element.what}`);
      continue;
    }
    const bad = element.check(item.text);
    if (bad === undefined) values.push(item);
    else problems.add({ ...item, found: item.text }, quoted(item.text, bad.state), bad.hint);
  }
  if (items.length === 0) problems.add(spot, `variable ${name} is empty`, `write ${element.what}`);
  return values.length === items.length && items.length > 0 ? values : undefined;
}

/** What speaks against comparing a variable's values with values of `form`. */
export function variableMisfit(
  { name, element, isList }: TemplateVariable,
  form: ValueForm,
): { text: string; hint: string } | undefined {
  const wanted = form.kind === "number" && form.words !== undefined ? "word" : form.kind;
  if (element.fits.includes(wanted)) return undefined;
  const fitting = VARIABLE_ELEMENTS.filter(({ fits }) => fits.includes(wanted));
  return {
    text: `variable ${name} is ${
      isList ? "a list of " : ""
    }${element.name}, which does not fit here`,
    hint: `give it the type ${listed(fitting.map(({ name }) => name))}`,
  };
}
