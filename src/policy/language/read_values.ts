/**
 * `values` and `valuesFromVariable` of a condition.
 *
 * @module
 */
import type { Test } from "../model.ts";
import { makeTest, type TestKind } from "./test_values.ts";
import { quote } from "../../telemetry/mod.ts";
import { quoted, type Spot } from "./policy_problem.ts";
import type { SpecReading } from "./reading.ts";
import { describe, type Fields, suggestion } from "./section.ts";
import { variableMisfit } from "./variables.ts";
import type { ValueForm } from "./value_form.ts";
import type { YamlScalar } from "./yaml_tree.ts";

/** Of one condition; tables of the kernel have room for some ten thousand in all. */
export const VALUES_MAX = 4096;

const LIST_PREFIX = "list:";

/** A test for the values of `fields`; undefined when told, or when a variable has none yet. */
export function readTest(
  fields: Fields,
  { test, form }: { test: TestKind; form: ValueForm },
  reading: SpecReading,
): Test | undefined {
  if (test === "privileged_port") {
    refuseValues(fields, reading);
    return makeTest(test, { ...reading, values: [], form });
  }
  const values = readValues(fields, form, reading);
  return values === undefined ? undefined : makeTest(test, { ...reading, values, form });
}

/** The values as they are written; undefined when told, or when a variable has none yet. */
export function readValues(
  fields: Fields,
  form: ValueForm,
  reading: SpecReading,
): readonly YamlScalar[] | undefined {
  const { problems } = reading;
  if (fields.has("valuesFromVariable")) return variableValues(fields, form, reading);
  const items = fields.items("values");
  if (items.length === 0) {
    problems.add(fields.spot("values"), "a condition has no values", "write values: [VALUE]");
    return undefined;
  }
  const values: YamlScalar[] = [];
  let isGood = true;
  for (const item of items) {
    if (item.kind !== "scalar") {
      problems.add(item, `values has ${describe(item)} where a word belongs`, "write a value");
      isGood = false;
      continue;
    }
    const expanded = expandList(item, form, reading);
    if (expanded === undefined) isGood = false;
    else values.push(...expanded);
    // Lists in values multiply.
    if (values.length > VALUES_MAX) return tooMany(fields.spot("values"), reading);
  }
  return isGood ? values : undefined;
}

function tooMany(spot: Spot, { problems }: SpecReading): undefined {
  const hint = "use Prefix or InRange, or a second selector with the others";
  problems.add(spot, `a condition has more than ${VALUES_MAX} values`, hint);
}

function variableValues(
  fields: Fields,
  form: ValueForm,
  reading: SpecReading,
): readonly YamlScalar[] | undefined {
  const { problems, variables } = reading;
  const name = fields.text("valuesFromVariable")!;
  const spot = fields.valueSpot("valuesFromVariable");
  if (fields.has("values")) {
    problems.add(spot, "a condition has values and valuesFromVariable", "keep one of them");
    return undefined;
  }
  if (variables === undefined) {
    problems.add(spot, "only templates have variables", "write kind: TracingPolicyTemplate");
    return undefined;
  }
  const bound = variables.get(name);
  if (bound === undefined) {
    const text = quoted(name, "is no variable of this template");
    problems.add(spot, text, suggestion(name, [...variables.keys()]));
    return undefined;
  }
  const misfit = variableMisfit(bound.variable, form);
  if (misfit === undefined) {
    const isTooLong = (bound.values?.length ?? 0) > VALUES_MAX;
    return isTooLong ? tooMany(spot, reading) : bound.values;
  }
  problems.add(spot, misfit.text, misfit.hint);
  return undefined;
}

/** `list:NAME` stands for the numbers of system calls; elsewhere it is a text like others. */
function expandList(
  value: YamlScalar,
  form: ValueForm,
  { lists, problems }: SpecReading,
): readonly YamlScalar[] | undefined {
  const isSyscall = form.kind === "number" && form.hasSyscalls;
  if (!isSyscall || !value.text.startsWith(LIST_PREFIX)) return [value];
  const name = value.text.slice(LIST_PREFIX.length);
  const list = lists.find(name);
  const spot = { ...value, found: value.text };
  if (list === undefined) {
    problems.add(spot, `no list is called ${quote(name)}`, suggestion(name, lists.names()));
    return undefined;
  }
  if (list.isOfSyscalls) return list.values;
  problems.add(spot, `the list ${quote(name)} has functions`, "give it type: syscalls");
  return undefined;
}

function refuseValues(fields: Fields, { problems }: SpecReading): void {
  for (const key of ["values", "valuesFromVariable"]) {
    if (key === "values" && fields.items(key).length === 0) continue;
    if (!fields.has(key)) continue;
    problems.add(
      fields.spot(key),
      `${fields.text("operator")} has no values: it means ports below 1024`,
      "take them away, or use SPort or DPort",
    );
  }
}
