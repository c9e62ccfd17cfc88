/**
 * What is so on the simulated host, whatever an agent knows of it.
 *
 * @module
 */
import type { PolicyHit } from "../../src/events/mod.ts";

/** A cgroup, from its making to the release of its id. */
export interface Box {
  readonly id: bigint;
  readonly path: string;
  readonly name: string;
  readonly level: number;
  readonly parent: Box | undefined;
  /** CLOCK_MONOTONIC ns; 0 for what was there before any agent. */
  readonly createdNs: bigint;
  /** Id of the container it belongs to, itself or by an ancestor. */
  readonly containerId: string | undefined;
  /** The cgroup that names the workload. */
  readonly naming: Box;
  isRemoved: boolean;
  /** Processes in it, and cgroups below it. */
  users: number;
}

/** A thread group. */
export interface Proc {
  readonly tgid: number;
  /** Boot-time ns. */
  readonly startNs: bigint;
  /** As the kernel has it: init takes over the children of who has ended. */
  parent: Proc | undefined;
  readonly children: Set<Proc>;
  box: Box;
  /** Number of its namespaces: 1 is the host's, each container has one of its own. */
  namespaces: number;
  /** Image it runs; that of its parent until it executes one. */
  path: string;
  isAlive: boolean;
  /** Position among the living. */
  at: number;
}

/** Kinds of records that the simulated host makes. */
export type TruthKind =
  | "fork"
  | "exec"
  | "exit"
  | "hit"
  | "cgroup_created"
  | "cgroup_removed"
  | "cgroup_released"
  | "cgroup_attached";

/** What a record is about. */
export interface Truth {
  readonly kind: TruthKind;
  readonly timeNs: bigint;
  readonly cpu: number;
  readonly proc: Proc;
  /** Of the process then. */
  readonly box: Box;
  readonly namespaces: number;
  /** The process that the kernel names as the parent then. */
  readonly parent: Proc | undefined;
  readonly path: string;
  readonly exitCode: number;
  /** The cgroup that a record about cgroups is about. */
  readonly subject: Box | undefined;
  readonly hit: PolicyHit | undefined;
  /** The record's bytes make no sense. */
  readonly isMalformed: boolean;
}

/** Name of a record kind in gaps. */
export const RECORD_NAMES: Readonly<Record<TruthKind, string>> = {
  fork: "process_fork",
  exec: "process_exec",
  exit: "process_exit",
  hit: "policy_hit",
  cgroup_created: "cgroup_created",
  cgroup_removed: "cgroup_removed",
  cgroup_released: "cgroup_released",
  cgroup_attached: "cgroup_attached",
};
