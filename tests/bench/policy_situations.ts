/**
 * Workloads that policies are about or not, and what is asked of them.
 *
 * @module
 */
import type { TestCgroup } from "../support/test_cgroup.ts";
import { type CallCount, PolicyWorkload } from "./policy_workload.ts";

/** Values of a policy. */
const VALUES = 5;

/** A path of the first policy. */
export const LISTED = pathOf(0, VALUES - 1);
/** As long, and alike up to the end. */
const UNLISTED = pathOf(0, VALUES);

/** Nanoseconds per call. */
export interface Costs {
  /** No policy is about the workload. */
  readonly idle: number;
  /** One policy is, and the path is not, or is, among its values. */
  readonly oneUnmatched: number;
  readonly oneMatched: number;
  /** All policies are about the workload. */
  readonly allUnmatched: number;
  readonly allMatched: number;
}

/** Processes in cgroups of their own, by which policies are about them. Owns them. */
export class Workloads {
  readonly idle: PolicyWorkload;
  readonly one: PolicyWorkload;
  readonly all: PolicyWorkload;

  constructor(program: string, cgroups: { idle: TestCgroup; one: TestCgroup; all: TestCgroup }) {
    this.idle = new PolicyWorkload(program, cgroups.idle);
    this.one = new PolicyWorkload(program, cgroups.one);
    this.all = new PolicyWorkload(program, cgroups.all);
  }

  async measure(count: CallCount): Promise<Costs> {
    const ns: number[] = [];
    for (const ask of SITUATIONS) ns.push(await ask(this, count));
    const [idle, oneUnmatched, oneMatched, allUnmatched, allMatched] = ns as FiveNumbers;
    return { idle, oneUnmatched, oneMatched, allUnmatched, allMatched };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const workload of [this.idle, this.one, this.all]) await workload[Symbol.asyncDispose]();
  }
}

type FiveNumbers = [number, number, number, number, number];

/** In the order of `Costs`. */
export const SITUATIONS: readonly ((workloads: Workloads, count: CallCount) => Promise<number>)[] =
  [
    ({ idle }, count) => idle.callNs(LISTED, count),
    ({ one }, count) => one.callNs(UNLISTED, count),
    ({ one }, count) => one.callNs(LISTED, count),
    ({ all }, count) => all.callNs(UNLISTED, count),
    ({ all }, count) => all.callNs(LISTED, count),
  ];
/** Matches of the first policy in each of them. */
const EXPECTED = [0, 0, 1, 0, 1];

/** @throws {Error} what would be measured is something else. */
export function checkFound(found: readonly number[]): void {
  if (found.join() !== EXPECTED.join()) throw new Error(`Matches are ${found}, not ${EXPECTED}`);
}

/** Paths that a policy lists. */
export function pathsOf(index: number): string[] {
  return Array.from({ length: VALUES }, (_, i) => pathOf(index, i));
}

function pathOf(index: number, value: number): string {
  return `/srv/application-${String(index).padStart(4, "0")}/data/file-${value}`;
}
