/**
 * A policy that has its place in the tables.
 *
 * @module
 */
import type { Policy } from "../model.ts";
import type { BitRun } from "./bit_words.ts";
import type { HookTables } from "./hook_tables.ts";
import type { Release } from "./place_listings.ts";

/** A hook of a policy with the bits of its selectors. */
export interface PlacedHook {
  readonly hook: HookTables;
  /** Position in `Policy.hooks`. */
  readonly index: number;
  readonly word: number;
  /** Bit of the first selector; the others follow. */
  readonly firstBit: number;
  readonly selectorCount: number;
}

/** A policy in the tables. */
export interface PlacedPolicy {
  readonly policy: Policy;
  readonly hooks: PlacedHook[];
  readonly runs: { readonly hook: HookTables; readonly run: BitRun }[];
  /** Each lets the ends of calls find nothing of a hook of it, by one store. */
  readonly ends: (() => void)[];
  /** The same for calls that are decided at their end because their memory was missing. */
  readonly deferredEnds: (() => void)[];
  /** In the order things were taken; they are given back the other way round. */
  readonly releases: Release[];
}
