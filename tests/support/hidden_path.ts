/**
 * Policies on the path of openat(2), and paths whose memory is not there when a call begins.
 *
 * @module
 */
import type { Test } from "../../src/policy/mod.ts";
import { argumentIs, makePolicy, type SelectorParts } from "./policy_factory.ts";
import type { OtherMemory } from "./system_caller.ts";

/** Memory of the caller that no program has touched yet. */
export function untouched(holds: OtherMemory["holds"]): OtherMemory {
  return { memory: "untouched", holds };
}

/** A policy on the path of openat(2). */
export function opens(name: string, ...selectors: SelectorParts[]) {
  return makePolicy(name, {
    ...{ call: "openat", types: ["int32", "string"], mode: "enforce", selectors },
  });
}

/** A selector by that path. */
export function pathIs(test: Test, not = false): SelectorParts {
  return { conditions: [argumentIs(1, test, { not })] };
}
