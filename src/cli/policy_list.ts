/**
 * Policies and plans as text for people.
 *
 * @module
 */
import { terminalString } from "../export/mod.ts";
import type { PolicyComplaint, PolicyPlan, PolicyStatus, RuleStatus } from "../policy/mod.ts";
import { escapeControls } from "../telemetry/mod.ts";
import { formatList, type TextLook } from "./text_list.ts";

/** On a terminal longer names are cut. */
const NAME_COLUMNS_MAX = 48;
const NONE = "-";
const KIB = 1024;

/** A row each, by name. */
export function formatPolicyTable(policies: readonly PolicyStatus[], look: TextLook): string {
  const sorted = policies.toSorted((a, b) => nameText(a) < nameText(b) ? -1 : 1);
  const cells = (cell: (policy: PolicyStatus) => string) => sorted.map(cell);
  return formatList({
    columns: [
      { title: "NAME", cells: cells(nameText), columnsMax: NAME_COLUMNS_MAX },
      { title: "STATE", cells: cells(({ state }) => state) },
      { title: "MODE", cells: cells(({ mode }) => mode) },
      { title: "GUARANTEE", cells: cells(({ guarantee }) => guarantee) },
      { title: "WORKLOADS", cells: cells(workloadsText), isNumber: true },
      { title: "HITS", cells: cells(hitsText), isNumber: true },
      { title: "KERNEL", cells: cells(({ kernelSize }) => sizeText(kernelSize)), isNumber: true },
    ],
    title: "SOURCE",
    texts: cells(sourceText),
  }, look);
}

/** Everything of one policy, its text at the end. */
export function formatPolicy(status: PolicyStatus, text: string, look: TextLook): string {
  const { binding, hits, error, hint } = status;
  const fields: [string, string][] = [
    ["Name", nameText(status)],
    ...binding === undefined
      ? []
      : [["Template", terminalString(binding.template)] as [string, string]],
    ["State", status.state],
    ...error === undefined ? [] : [["Error", terminalString(error)] as [string, string]],
    ...hint === undefined ? [] : [["Hint", terminalString(hint)] as [string, string]],
    ["Mode", status.mode],
    ["Guarantee", status.guarantee],
    ["Workloads", workloadsText(status)],
    [
      "Hits",
      `${hits.post} told, ${hits.signal} signalled, ${hits.override} made to fail, ` +
      `${hits.monitored} left undone`,
    ],
    ["Kernel", `${status.kernelSize} bytes`],
    ["Source", sourceText({ ...status, state: "enabled" })],
  ];
  const width = Math.max(...fields.map(([name]) => name.length)) + 2;
  const lines = fields.map(([name, value]) => `${`${name}:`.padEnd(width)}${value}\n`);
  return `${lines.join("")}\n${formatRules([status], look)}\n${policyText(text)}`;
}

/** What would come of adding policies. */
export function formatPlan(plan: PolicyPlan, look: TextLook): string {
  const { policies, hooks, workloads, conflicts, kernelSize, notes } = plan;
  const parts = [
    formatRules(policies, look),
    formatList({
      columns: [{
        title: "PROGRAM",
        cells: hooks.map(({ isNew }) => isNew ? "new" : "shared"),
      }],
      title: "HOOK",
      texts: hooks.map(({ hook }) => terminalString(hook)),
    }, look),
    formatList({
      columns: [
        { title: "POLICY", cells: workloads.map(({ policy }) => terminalString(policy)) },
        {
          title: "WORKLOADS",
          cells: workloads.map(({ names }) => String(names.length)),
          isNumber: true,
        },
      ],
      title: "THAT MATCH NOW",
      texts: workloads.map(({ names }) => names.map(terminalString).join(", ") || NONE),
    }, look),
    `Kernel memory: ${kernelSize} bytes more\n`,
    ...notes.length === 0 ? [] : [notes.map(noteLine).join("")],
    ...conflicts.map((conflict) => `Conflict: ${terminalString(conflict)}\n`),
  ];
  return parts.join("\n");
}

function noteLine({ file, line, column, text, hint }: PolicyComplaint): string {
  return `Note: ${escapeControls(`${file}:${line}:${column}: ${text} (${hint})`)}\n`;
}

/** A line per rule: what becomes of it on this kernel. */
function formatRules(policies: readonly PolicyStatus[], look: TextLook): string {
  const rules = policies.flatMap((policy) => policy.rules.map((rule) => ({ ...rule, policy })));
  const cells = (cell: (rule: typeof rules[number]) => string) => rules.map(cell);
  return formatList({
    columns: [
      ...policies.length === 1 ? [] : [{
        title: "POLICY",
        cells: cells(({ policy }) => nameText(policy)),
        columnsMax: NAME_COLUMNS_MAX,
      }],
      { title: "RULE", cells: cells(({ hook }) => terminalString(hook)) },
      { title: "SELECTOR", cells: cells(({ selector }) => terminalString(selector)) },
      { title: "ACTIONS", cells: cells(({ actions }) => actions.map(terminalString).join(", ")) },
      { title: "GUARANTEE", cells: cells(ruleGuaranteeText) },
    ],
    title: "WHY NO STRONGER",
    texts: cells(({ reason }) => reason === undefined ? NONE : terminalString(reason)),
  }, look);
}

/** "prevent by override-return". */
function ruleGuaranteeText({ guarantee, by }: RuleStatus): string {
  return by === undefined ? guarantee : `${guarantee} by ${by.replace("_return", "-return")}`;
}

function nameText({ name, namespace }: PolicyStatus): string {
  return terminalString(namespace === undefined ? name : `${namespace}/${name}`);
}

function workloadsText({ workloads }: PolicyStatus): string {
  return workloads === null ? "all" : String(workloads);
}

/** Told, signalled, made to fail. */
function hitsText({ hits: { post, signal, override } }: PolicyStatus): string {
  return `${post}/${signal}/${override}`;
}

/** Policies take a kilobyte or some. */
function sizeText(bytes: number): string {
  return bytes < KIB ? `${bytes}` : `${(bytes / KIB).toFixed(1)}K`;
}

function sourceText({ source, isPersistent, state, error }: PolicyStatus): string {
  const kept = isPersistent ? ", kept" : "";
  const why = state === "load_error" && error !== undefined ? `: ${terminalString(error)}` : "";
  return `${terminalString(source)}${kept}${why}`;
}

/** Line by line: only line feeds are for the terminal. A backslash stays one, it is YAML. */
function policyText(text: string): string {
  return text.replace(/\n$/, "").split("\n")
    .map((line) => `${line.replaceAll("\t", " ").replace(/[^\t]+/g, escapeControls)}\n`)
    .join("");
}
