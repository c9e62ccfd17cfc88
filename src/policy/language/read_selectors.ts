/**
 * Selectors of a hook, with the macros they use.
 *
 * @module
 */
import type { Action, Condition, Selector } from "../model.ts";
import { readActions } from "./actions.ts";
import { readArgumentCondition, readReturnCondition } from "./argument_conditions.ts";
import {
  readBinaryCondition,
  readCapabilityCondition,
  readNamespaceCondition,
  readPidCondition,
} from "./process_conditions.ts";
import { quoted } from "./policy_problem.ts";
import { readWorkloads } from "./read_workloads.ts";
import type { HookReading } from "./reading.ts";
import { describe, type Fields, openSection, spotOf, suggestion } from "./section.ts";
import { MATCH_WORKLOAD, SELECTOR } from "./selector_sections.ts";
import type { WorkloadSelector } from "../model.ts";
import type { YamlNode } from "./yaml_tree.ts";

/** All selectors of a policy on one hook stand in one 64-bit word, with a bit to spare. */
export const SELECTORS_MAX = 60;
/** Of one selector. */
const CONDITIONS_MAX = 64;
const LABEL_LENGTH_MAX = 128;

type ConditionReader = (node: YamlNode, reading: HookReading) => Condition | undefined;

/** The keys with conditions, one row each. */
const CONDITION_READERS: Readonly<Record<string, ConditionReader>> = {
  matchPIDs: readPidCondition,
  matchBinaries: readBinaryCondition,
  matchArgs: readArgumentCondition,
  matchReturnArgs: readReturnCondition,
  matchNamespaces: readNamespaceCondition,
  matchCapabilities: readCapabilityCondition,
};

/** Keys that look at the end of a call. */
const RETURN_KEYS = ["matchReturnArgs", "matchReturnActions"];

/** Reads `selectors` of a hook; without any there is one that always matches. */
export function readSelectors(fields: Fields, reading: HookReading): Selector[] {
  const items = fields.items("selectors");
  if (items.length > SELECTORS_MAX) {
    reading.problems.add(
      fields.spot("selectors"),
      `${reading.hookName} has ${items.length} selectors`,
      `write ${SELECTORS_MAX} at most; a second policy may have the others`,
    );
  }
  if (items.length === 0) {
    return [{
      place: fields.place,
      conditions: [],
      workloads: [],
      actions: [{ kind: "post" }],
      returnActions: [],
    }];
  }
  const selectors = items.slice(0, SELECTORS_MAX).flatMap((item) => {
    const own = openSection(item, SELECTOR, reading);
    if (own === undefined) return [];
    return [readSelector(own, [own, ...readMacros(own, reading)], reading)];
  });
  checkLateOverrides(selectors, fields, reading);
  return selectors;
}

/** One look at what a call returns, and the hook is decided when the call has been done. */
function checkLateOverrides(
  selectors: readonly Selector[],
  fields: Fields,
  { problems, hookName }: HookReading,
): void {
  const isLate = selectors.some(({ conditions }) =>
    conditions.some(({ subject }) => subject.of === "return")
  );
  const overrides = selectors.filter(({ actions }) =>
    actions.some(({ kind }) => kind === "override")
  );
  if (!isLate) return;
  for (const { place } of overrides) {
    problems.add(
      { place, path: `${fields.path}.selectors` },
      `${hookName} has both matchReturnArgs and Override: what it returns is known too late`,
      "write a second entry for the same call, one with each",
    );
  }
}

/** What a selector and its macros say together. */
function readSelector(
  own: Fields,
  parts: readonly Fields[],
  reading: HookReading,
): Selector {
  const conditions: Condition[] = [];
  const workloads: WorkloadSelector[][] = [];
  for (const part of parts) {
    checkReturnKeys(part, reading);
    for (const [key, read] of Object.entries(CONDITION_READERS)) {
      if (key === "matchReturnArgs" && reading.returns === undefined) continue;
      const items = part.items(key);
      if (conditions.length + items.length > CONDITIONS_MAX) {
        const text = `a selector has more than ${CONDITIONS_MAX} conditions`;
        reading.problems.add(part.spot(key), text, "list values in one condition");
        break;
      }
      for (const item of items) {
        const condition = read(item, reading);
        if (condition !== undefined) conditions.push(condition);
      }
    }
    workloads.push(readMatchWorkloads(part, reading));
  }
  const actions = (key: string, phase: "call" | "return"): Action[] =>
    readActions(parts.flatMap((part) => part.items(key)), { phase, reading });
  const label = readLabel(own, reading);
  return {
    ...(label === undefined ? {} : { label }),
    place: own.place,
    conditions,
    workloads: oneOf(workloads, own, reading),
    actions: actions("matchActions", "call"),
    returnActions: reading.returns === undefined ? [] : actions("matchReturnActions", "return"),
  };
}

function readMacros(own: Fields, reading: HookReading): Fields[] {
  const { problems, macros } = reading;
  return own.items("macros").flatMap((item) => {
    if (item.kind !== "scalar") {
      problems.add(spotOf(item), `macros has ${describe(item)}`, "write the name of a macro");
      return [];
    }
    const macro = macros.find(item.text);
    if (macro === undefined) {
      const text = quoted(item.text, "is no macro");
      problems.add(spotOf(item), text, suggestion(item.text, macros.names()));
      return [];
    }
    const fields = openSection(macro, SELECTOR, reading);
    if (fields === undefined) return [];
    for (const key of ["macros", "label"]) {
      if (!fields.has(key)) continue;
      problems.add(fields.spot(key), `a macro has ${key}`, "write it into the selector");
    }
    return [fields];
  });
}

function readMatchWorkloads(fields: Fields, reading: HookReading): WorkloadSelector[] {
  const node = fields.node("matchWorkloads");
  if (node === undefined) return [];
  const items = node.kind === "list" ? node.items : [node];
  return items.flatMap((item) => {
    const section = openSection(item, MATCH_WORKLOAD, reading);
    if (section === undefined) return [];
    const found = readWorkloads(section, { reading });
    if (found.length === 0 && item.kind === "map" && item.entries.size === 0) {
      reading.problems.add(item, "matchWorkloads selects nothing", "write such as podSelector");
    }
    return found;
  });
}

/** Lists of workloads cannot be joined by "and": a macro and its selector may not both have one. */
function oneOf(
  lists: readonly WorkloadSelector[][],
  own: Fields,
  { problems }: HookReading,
): WorkloadSelector[] {
  const given = lists.filter((list) => list.length > 0);
  if (given.length > 1) {
    const spot = own.has("matchWorkloads") ? own.spot("matchWorkloads") : own.spot("macros");
    const text = "matchWorkloads stands in more than one of a selector and its macros";
    problems.add(spot, text, "keep one of them");
  }
  return given[0] ?? [];
}

function checkReturnKeys(fields: Fields, { returns, kind, problems }: HookReading): void {
  if (returns !== undefined) return;
  for (const key of RETURN_KEYS) {
    if (fields.items(key).length === 0) continue;
    const isCall = kind === "kprobe" || kind === "syscall";
    problems.add(
      fields.spot(key),
      `${key} has no effect: the end of the call is not seen`,
      isCall ? "write return: true and returnArg at the kprobe" : "use a kprobe with return: true",
    );
  }
}

function readLabel(fields: Fields, { problems }: HookReading): string | undefined {
  const label = fields.text("label");
  if (label === undefined || label.length <= LABEL_LENGTH_MAX) return label;
  const text = `label has ${label.length} characters`;
  problems.add(fields.spot("label"), text, `write ${LABEL_LENGTH_MAX} at most`);
  return undefined;
}
