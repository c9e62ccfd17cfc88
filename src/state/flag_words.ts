/**
 * The `flags` of a process: Tetragon's words in Tetragon's order, then words of our own.
 *
 * @module
 */
import type { ExecProblems } from "../events/mod.ts";

/** What decides the flags of an image. */
export interface FlagFacts {
  /** How the agent learned of the image: a record, or /proc. */
  readonly source: "execve" | "procFS";
  /** A record of this thread group was missed before: what it ran earlier is not known. */
  readonly missed: boolean;
  /** First exec after a fork. */
  readonly afterFork: boolean;
  /** Working directory as text; "" when unknown. */
  readonly cwd: string;
  readonly inInitTree: boolean;
  readonly problems?: Partial<ExecProblems>;
}

/**
 * The flag words, space-joined. Ours come after Tetragon's last: `truncFilename`, `truncEnvs`,
 * `truncExe`; Tetragon has no word for these.
 */
export function flagWords(facts: FlagFacts): string {
  const { problems } = facts;
  let words: string = facts.source;
  if (problems?.environmentFailed) words += " errorEnvs";
  if (problems?.argumentsCut) words += " truncArgs";
  if (facts.missed) words += " miss";
  if (problems?.filenameFailed) words += " errorFilename";
  if (problems?.argumentsFailed) words += " errorArgs";
  if (facts.cwd === "" && !problems?.cwdFailed) words += " nocwd";
  if (facts.cwd === "/") words += " rootcwd";
  if (problems?.cwdFailed) words += " errorCWD";
  if (facts.afterFork) words += " clone";
  if (problems?.cwdCut) words += " errorPathResolutionCwd";
  if (facts.inInitTree) words += " inInitTree";
  if (problems?.filenameCut) words += " truncFilename";
  if (problems?.environmentCut) words += " truncEnvs";
  if (problems?.exeCut) words += " truncExe";
  return words;
}
