/**
 * `spec` of a policy or a template: hooks, and what stands beside them.
 *
 * @module
 */
import type { Guarantee, PolicyHook, PolicyMode, UndecidedChoice } from "../model.ts";
import type { Architecture } from "../syscalls.ts";
import { LIST, OPTION } from "./document_sections.ts";
import { quote } from "../../telemetry/mod.ts";
import { quoted, type Spot } from "./policy_problem.ts";
import { readHooks } from "./read_hooks.ts";
import { NamedDefinitions, type NameList, type SpecReading } from "./reading.ts";
import { describe, type Fields, openSection, type SectionReading, suggestion } from "./section.ts";
import { spotOf } from "./section.ts";
import type { BoundVariable } from "./variables.ts";
import type { YamlMap, YamlNode, YamlScalar } from "./yaml_tree.ts";

/** What `spec` says, but for whom. */
export interface ReadSpec {
  readonly hooks: readonly PolicyHook[];
  readonly mode: PolicyMode;
  readonly undecided?: UndecidedChoice;
  readonly require?: Guarantee;
}

/** What is known before. */
export interface SpecContext extends SectionReading {
  readonly architecture: Architecture;
  readonly variables?: ReadonlyMap<string, BoundVariable>;
  /** Of a binding, in place of what `spec` says. */
  readonly mode?: PolicyMode;
}

const MODES: readonly PolicyMode[] = ["enforce", "monitor", "monitor_only"];
const GUARANTEES: readonly Guarantee[] = ["prevent", "kill-after", "observe"];

const LIST_TYPE_SYSCALLS = "syscalls";
/** Types of lists that are made by searching the kernel. */
const GENERATED_LIST_TYPES = ["generated_syscalls", "generated_ftrace"];
const LIST_VALUES_MAX = 1024;

/** Options of the published form that say how policies are loaded there. */
const NEEDLESS_OPTIONS: Readonly<Record<string, string>> = {
  "disable-kprobe-multi": "all policies share one program per hook",
  "disable-uprobe-multi": "there are no uprobes",
  "override-method": "the strongest way that the kernel has is taken",
  "sleepable-preload-size": "memory of programs is never read ahead",
};
const MODE_OPTION = "policy-mode";
/** Ours. */
const UNDECIDED_OPTION = "undecided";
const UNDECIDED_CHOICES: readonly UndecidedChoice[] = ["act", "pass"];

/** Reads `spec`, whose keys have been checked. */
export function readSpec(spec: Fields, context: SpecContext): ReadSpec {
  const lists = readLists(spec, context);
  const macros = new NamedDefinitions<YamlMap>();
  for (const { key, value, ...spot } of spec.map("selectorsMacros")?.entries.values() ?? []) {
    if (value.kind === "map") macros.add(key, value);
    else {context.problems.add(
        spot,
        `macro ${quote(key)} has ${describe(value)}`,
        "write a selector",
      );}
  }
  const reading: SpecReading = { ...context, lists, macros };
  const hooks = readHooks(spec, reading);
  tellUnused(spec, "selectorsMacros", { definitions: macros, what: "macro", context });
  tellUnused(spec, "lists", { definitions: lists, what: "list", context });
  const require = readWord(spec, "require", { words: GUARANTEES, context });
  const { mode, undecided } = readOptions(spec, context);
  return {
    hooks,
    mode: readMode(spec, hooks, { context, option: mode }),
    ...(undecided === undefined ? {} : { undecided }),
    ...(require === undefined ? {} : { require }),
  };
}

/** `mode` of a policy or a binding. */
export function readModeKey(fields: Fields, context: SectionReading): PolicyMode | undefined {
  return readWord(fields, "mode", { words: MODES, context });
}

function readMode(
  spec: Fields,
  hooks: readonly PolicyHook[],
  { context, option }: { readonly context: SpecContext; readonly option: PolicyMode | undefined },
): PolicyMode {
  const key = readModeKey(spec, context);
  if (option !== undefined && key !== undefined) {
    const text = `mode stands beside the option ${MODE_OPTION}`;
    context.problems.add(spec.spot("mode"), text, "keep one of them");
  }
  const asked = context.mode ?? key ?? option ?? "enforce";
  const acts = hooks.some(({ selectors }) =>
    selectors.some(({ actions, returnActions }) =>
      [...actions, ...returnActions].some(({ kind }) => kind !== "post" && kind !== "no_post")
    )
  );
  if (!acts) return "monitor_only";
  if (asked !== "monitor_only") return asked;
  context.problems.add(
    spec.has("mode") ? spec.spot("mode") : spec.spot("options"),
    "the policy has actions, so monitor_only does not fit",
    "write monitor: it can be switched to enforce later",
  );
  return asked;
}

/** What options of a policy say. */
interface ReadOptions {
  readonly mode: PolicyMode | undefined;
  readonly undecided: UndecidedChoice | undefined;
}

function readOptions(spec: Fields, context: SpecContext): ReadOptions {
  let mode: PolicyMode | undefined;
  let undecided: UndecidedChoice | undefined;
  const seen = new Set<string>();
  for (const item of spec.items("options")) {
    const fields = openSection(item, OPTION, context);
    const [name, value] = [fields?.text("name"), fields?.text("value")];
    if (fields === undefined || name === undefined || value === undefined) continue;
    const spot = fields.valueSpot("name");
    if (seen.has(name)) {
      context.problems.add(spot, `the option ${quote(name)} stands twice`, "keep one of them");
    }
    seen.add(name);
    if (name === MODE_OPTION) {
      mode = readWord(fields, "value", { words: MODES, context }) ?? mode;
    } else if (name === UNDECIDED_OPTION) {
      undecided = readWord(fields, "value", { words: UNDECIDED_CHOICES, context }) ?? undecided;
    } else if (Object.hasOwn(NEEDLESS_OPTIONS, name)) {
      const text = `the option ${name} has no effect: ${NEEDLESS_OPTIONS[name]}`;
      context.problems.note(spot, text, "take it away, or leave it for other agents");
    } else {
      const known = [MODE_OPTION, UNDECIDED_OPTION, ...Object.keys(NEEDLESS_OPTIONS)];
      context.problems.add(spot, quoted(name, "is no option"), suggestion(name, known));
    }
  }
  return { mode, undecided };
}

function readLists(spec: Fields, context: SpecContext): NamedDefinitions<NameList> {
  const lists = new NamedDefinitions<NameList>();
  for (const item of spec.items("lists")) {
    const fields = openSection(item, LIST, context);
    const name = fields?.text("name");
    if (fields === undefined || name === undefined) continue;
    const spot = fields.valueSpot("name");
    // A wrong list counts as one too, so that its uses are not told as well.
    const list = {
      isOfSyscalls: isOfSyscalls(fields, context),
      values: listValues(fields, context),
    };
    if (!lists.add(name, list)) {
      context.problems.add(spot, `two lists are called ${quote(name)}`, "give one another name");
    }
  }
  return lists;
}

function isOfSyscalls(fields: Fields, { problems }: SpecContext): boolean {
  const type = fields.text("type");
  if (type === undefined || type === LIST_TYPE_SYSCALLS) return type !== undefined;
  const spot = fields.valueSpot("type");
  if (GENERATED_LIST_TYPES.includes(type)) {
    const text = `type ${type} is not supported: names are not searched in the kernel`;
    problems.add(spot, text, "write the names below values; of system calls with type: syscalls");
  } else problems.add(spot, quoted(type, "is no type of lists"), "write syscalls or leave it out");
  return type.includes("syscalls");
}

function listValues(fields: Fields, { problems }: SpecContext): YamlScalar[] {
  const items = fields.items("values");
  if (items.length === 0 || items.length > LIST_VALUES_MAX) {
    const text = `a list has ${items.length} values`;
    problems.add(fields.spot("values"), text, `write 1 to ${LIST_VALUES_MAX}`);
    return [];
  }
  return items.filter((item): item is YamlScalar => {
    if (item.kind === "scalar") return true;
    problems.add(spotOf(item), `a list has ${describe(item)}`, "write a name");
    return false;
  });
}

function tellUnused<Definition>(
  spec: Fields,
  key: string,
  { definitions, what, context }: {
    definitions: NamedDefinitions<Definition>;
    what: string;
    context: SpecContext;
  },
): void {
  for (const name of definitions.names()) {
    if (definitions.isUsed(name)) continue;
    const spot = definitionSpot(spec.node(key), name) ?? spec.spot(key);
    const text = `nothing uses the ${what} ${quote(name)}, so it has not been checked`;
    context.problems.note(spot, text, "take it away, or use it");
  }
}

function definitionSpot(node: YamlNode | undefined, name: string): Spot | undefined {
  if (node?.kind === "map") return node.entries.get(name);
  if (node?.kind !== "list") return undefined;
  return node.items.find((item) => {
    const entry = item.kind === "map" ? item.entries.get("name")?.value : undefined;
    return entry?.kind === "scalar" && entry.text === name;
  });
}

function readWord<Word extends string>(
  fields: Fields,
  key: string,
  { words, context }: { words: readonly Word[]; context: SectionReading },
): Word | undefined {
  const text = fields.text(key);
  if (text === undefined) return undefined;
  const word = words.find((word) => word === text);
  if (word !== undefined) return word;
  const spot = fields.valueSpot(key);
  context.problems.add(spot, quoted(text, `is no ${key}`), suggestion(text, words));
  return undefined;
}
