/**
 * An examination for people and for programs.
 *
 * @module
 */
import { escapeControls } from "../telemetry/mod.ts";
import type { Examination } from "./examine_host.ts";
import { type Finding, type FindingStatus, TOPICS } from "./finding.ts";

const COLORS: Readonly<Record<FindingStatus, string>> = {
  ok: "\x1b[32m",
  warning: "\x1b[33m",
  problem: "\x1b[31m",
};
const RESET = "\x1b[0m";

/** Lines for a terminal or a file: each finding on one, cause and cure of trouble below it. */
export function formatExamination(
  { findings, verdict }: Pick<Examination, "findings" | "verdict">,
  { color }: { readonly color: boolean },
): string {
  const nameWidth = Math.max(...findings.map(({ name }) => name.length));
  const lines: string[] = [];
  for (const topic of TOPICS) {
    const found = findings.filter((finding) => finding.topic === topic);
    if (found.length > 0) lines.push(topic, ...found.flatMap((each) => format(each)), "");
  }
  const count = (status: FindingStatus) =>
    findings.filter((finding) => finding.status === status).length;
  const [warnings, problems] = [count("warning"), count("problem")];
  const words = { ok: "the agent can run here", warning: "the agent can run here, see above" };
  const end = verdict === "problem" ? "the agent cannot run here as it should" : words[verdict];
  lines.push(`${problems} problems, ${warnings} warnings: ${end}`);
  return lines.map((line) => `${line}\n`).join("");

  function format({ status, name, text, follows, hint }: Finding): string[] {
    const word = status.padEnd("problem".length);
    const mark = color ? `${COLORS[status]}${word}${RESET}` : word;
    const indent = " ".repeat(2 + word.length + 2 + nameWidth + 2);
    return [
      `  ${mark}  ${name.padEnd(nameWidth)}  ${escapeControls(text)}`,
      ...(follows === undefined ? [] : [`${indent}so: ${escapeControls(follows)}`]),
      ...(hint === undefined ? [] : [`${indent}do: ${escapeControls(hint)}`]),
    ];
  }
}

/** One JSON object; ids as decimal text, which JSON numbers would round. */
export function encodeExamination(examination: Examination): string {
  const { verdict, findings, mode, deployment, walk, runtimes } = examination;
  const { hierarchies, controllers, tracked, isNamespaced, hasSystemd } = mode;
  const report = {
    verdict,
    findings,
    cgroups: {
      mode: mode.mode,
      is_namespaced: isNamespaced,
      has_systemd: hasSystemd,
      hierarchies: hierarchies.map((hierarchy) => ({
        version: hierarchy.version,
        id: hierarchy.hierarchyId,
        controllers: hierarchy.controllers,
        name: hierarchy.name,
        mount: hierarchy.mount?.path,
        mount_root: hierarchy.mount?.root,
        mount_level: hierarchy.mountLevel,
        own_path: hierarchy.ownPath,
      })),
      controllers: controllers.map(({ name, hierarchyId, cgroupCount, isEnabled }) => ({
        ...{ name, hierarchy: hierarchyId, cgroups: cgroupCount, enabled: isEnabled },
      })),
      tracked: tracked === null ? null : {
        hierarchy: tracked.hierarchy.hierarchyId,
        subsystem: tracked.subsystem,
        reasons: tracked.reasons,
      },
      existing: walk?.cgroups.length,
      beyond_limit: walk?.beyondLimit,
    },
    deployment: {
      kind: deployment.kind,
      unit: deployment.unit,
      in_container: deployment.isInContainer,
      evidence: deployment.evidence,
      doubts: deployment.doubts,
    },
    runtimes: {
      asked: runtimes.isAsked,
      endpoints: runtimes.endpoints.map((endpoint) => ({
        api: endpoint.api,
        path: endpoint.path,
        user_uid: endpoint.userUid,
        version: endpoint.version,
        watching: endpoint.isWatching,
        error: endpoint.error?.text,
        last_error: endpoint.lastError,
      })),
      unused: runtimes.unused,
    },
  };
  return `${JSON.stringify(report)}\n`;
}
