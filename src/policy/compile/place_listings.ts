/**
 * Enters what one selector lists into the dimensions of a hook.
 *
 * @module
 */
import type { Place } from "../model.ts";
import { DIGITS_MAX } from "./dimension_values.ts";
import type { Dimension, DimensionKind } from "./hook_dimensions.ts";
import { type HookTables, pointKey } from "./hook_tables.ts";
import { PolicyLimit } from "./kernel_contract.ts";
import { PolicyRefusal } from "./policy_refusal.ts";
import type { Listing } from "./selector_listings.ts";

/** Gives something back; what must wait for a grace period comes back as a function. */
export type Release = () => (() => void) | void;

/** A selector's bit. */
export interface ListingTarget {
  readonly hook: HookTables;
  readonly word: number;
  readonly bit: bigint;
  /** Slots of the arguments, by position in the policy. */
  readonly argSlots: readonly (number | undefined)[];
  /** Gets how everything is given back. */
  readonly releases: Release[];
}

/** Of what a refusal tells. */
export interface Refused {
  readonly policy: string;
  readonly place: Place;
}

/** What people call a hook. */
export function hookName({ point }: HookTables): string {
  return `"${pointKey(point)}"`;
}

/** Enters listings, all of which must hold. */
export function placeListings(
  target: ListingTarget,
  listings: readonly Listing[],
  refused: Refused,
): void {
  const instances = new Map<string, number>();
  for (const listing of listings) {
    const { position, ...kind } = listing.comparison;
    const slot = position === undefined ? 0 : target.argSlots[position];
    if (slot === undefined) {
      throw new PolicyRefusal(
        refused.policy,
        `it compares argument ${position}, which has no value`,
        'give the argument a type other than "nop"',
        refused.place,
      );
    }
    const dimension = { ...kind, slot };
    const key = [dimension.source, dimension.test, dimension.part, dimension.flags, slot].join(".");
    const instance = instances.get(key) ?? 0;
    instances.set(key, instance + 1);
    placeListing(target, takeDimension(target, dimension, { instance, refused }), {
      ...{ listing, refused },
    });
  }
}

function takeDimension(
  { hook, releases }: ListingTarget,
  kind: DimensionKind,
  { instance, refused }: { instance: number; refused: Refused },
): Dimension {
  const { dims } = hook;
  const dim = dims.take(kind, instance);
  if (dim === undefined) {
    throw new PolicyRefusal(
      refused.policy,
      `${hookName(hook)} already compares values in ${PolicyLimit.NO_DIM} other ways`,
      "use arguments and operators that other policies on this hook use",
      refused.place,
    );
  }
  releases.push(() => dims.giveBack(dim) ? () => dims.forget(dim) : undefined);
  return dim;
}

function placeListing(
  { hook: { dims }, word, bit, releases }: ListingTarget,
  dim: Dimension,
  { listing: { isNegated, digits }, refused }: { listing: Listing; refused: Refused },
): void {
  if (!isNegated) dims.reject(dim, word, bit);
  const listed: string[] = [];
  releases.push(() => {
    const rows = listed.map((value) => dim.values.unlist(value, word, bit))
      .filter((row) => row !== undefined);
    dims.updateBits(dim);
    return () => rows.forEach((row) => dim.values.giveBackRow(row));
  });
  const most = DIGITS_MAX[dim.kind.test] ?? Infinity;
  for (const value of digits) {
    if (value.length > most) {
      throw new PolicyRefusal(
        refused.policy,
        `a text of ${value.length} bytes is longer than the kernel compares`,
        `use one of at most ${most} bytes`,
        refused.place,
      );
    }
    if (!dim.values.list(value, word, bit)) {
      throw new PolicyRefusal(
        refused.policy,
        "the table of values is full",
        "raise the number of policy values, or remove policies",
        refused.place,
      );
    }
    listed.push(value);
  }
  dims.updateBits(dim);
}
