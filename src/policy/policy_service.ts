/**
 * What the control socket and the commands ask of the policies of an agent; the agent implements
 * it, tests have fakes.
 *
 * @module
 */
import type { Guarantee, PolicyMode } from "./model.ts";
import type { OverrideMeans } from "./plan_hook.ts";

/** What a policy is going through. */
export type PolicyState =
  | "enabled"
  | "disabled"
  /** It could not be brought into the kernel; nothing of it is there. */
  | "load_error";

/** How one selector of a policy fares on this kernel. */
export interface RuleStatus {
  /** In words: "syscall openat", "lsm file_open", "kprobe tcp_connect". */
  readonly hook: string;
  /** Label, else the number from 0. */
  readonly selector: string;
  /** In words: "Post", "Sigkill", "Override -1". */
  readonly actions: readonly string[];
  readonly guarantee: Guarantee;
  /** Of "prevent": what makes the call fail. */
  readonly by?: OverrideMeans;
  /** Why it is no stronger guarantee, when it has an action that asks for one. */
  readonly reason?: string;
}

/** Matches of a policy since it was added, by what was done. */
export interface PolicyHits {
  readonly post: number;
  readonly signal: number;
  readonly override: number;
  /** Actions left undone because of mode monitor. */
  readonly monitored: number;
}

/** One policy as `shrike policy list` and `show` tell it. */
export interface PolicyStatus {
  readonly name: string;
  readonly namespace?: string;
  /** Template and binding, when it was made of such. */
  readonly binding?: { readonly template: string; readonly name: string };
  readonly state: PolicyState;
  readonly mode: PolicyMode;
  /** The weakest of its rules that ask for more than to be told; "observe" when none does. */
  readonly guarantee: Guarantee;
  readonly rules: readonly RuleStatus[];
  /** Workloads it concerns now; null: all, it selects none. */
  readonly workloads: number | null;
  readonly hits: PolicyHits;
  /** Estimated kernel memory of its rows, keys and share of slots, bytes. */
  readonly kernelSize: number;
  /** File it is from, or "api". */
  readonly source: string;
  /** Kept over restarts. */
  readonly isPersistent: boolean;
  /** Why it is not in the kernel. */
  readonly error?: string;
  readonly hint?: string;
}

/** Text of one or more policies. */
export interface PolicySource {
  /** Name for errors, such as the path. */
  readonly file: string;
  readonly text: string;
}

/** Something wrong with a policy, at its place. */
export interface PolicyComplaint {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly text: string;
  readonly hint: string;
}

/** How a change went: all of it or nothing. */
export type PolicyOutcome =
  | { readonly isDone: true; readonly policies: readonly PolicyStatus[] }
  | { readonly isDone: false; readonly complaints: readonly PolicyComplaint[] };

/** What would come of adding policies. */
export interface PolicyPlan {
  readonly policies: readonly PolicyStatus[];
  /** Hooks in words, and whether a program must be loaded for them. */
  readonly hooks: readonly { readonly hook: string; readonly isNew: boolean }[];
  /** Kernel memory more than now, bytes. */
  readonly kernelSize: number;
  /** Workloads that match now, "container web", by policy. */
  readonly workloads: readonly { readonly policy: string; readonly names: readonly string[] }[];
  /** Two bindings of one template on one workload, and the like, in words. */
  readonly conflicts: readonly string[];
  /** What is right and weaker than it may look. */
  readonly notes: readonly PolicyComplaint[];
}

/** How policies are added. */
export interface AddOptions {
  /** Other than the file says. */
  readonly mode?: "enforce" | "monitor";
  /** They are kept over restarts; who asks for it keeps them. */
  readonly isPersistent?: boolean;
  /** They match nothing until they are enabled. */
  readonly isDisabled?: boolean;
  /** Replace policies of the same name; else that is a complaint. Never those of another file. */
  readonly replaces?: boolean;
  /**
   * The text is all there is of its file: in one step its policies and templates are replaced, and
   * those that it has no more are removed. A name that is there from elsewhere is a complaint.
   * Without this the policies are from "api".
   */
  readonly isWholeFile?: boolean;
}

/** The policies of a running agent. */
export interface PolicyService {
  list(): readonly PolicyStatus[];
  /** Status and the text of its document; undefined when there is none of that name. */
  show(name: string): { readonly status: PolicyStatus; readonly text: string } | undefined;
  /** Changes wait for each other: they may be asked for at any time. */
  add(source: PolicySource, options?: AddOptions): Promise<PolicyOutcome>;
  /** Removes all policies and templates that are from a file which was added as a whole. */
  removeFile(file: string): Promise<PolicyOutcome>;
  /** A policy, or a template without bindings. False when there is none of that name. */
  remove(name: string): Promise<boolean>;
  setEnabled(name: string, isEnabled: boolean): Promise<PolicyOutcome>;
  setMode(name: string, mode: "enforce" | "monitor"): Promise<PolicyOutcome>;
  /** Changes nothing. */
  plan(
    source: PolicySource,
  ): Promise<PolicyPlan | { readonly complaints: readonly PolicyComplaint[] }>;
}
