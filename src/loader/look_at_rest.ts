/**
 * Values of per-CPU maps that programs add to while they are read.
 *
 * @module
 */
import { Buffer } from "node:buffer";

/** Looks at a value that does not stand still, some microseconds each. */
const LOOKS_MAX = 64;

/** The last look, and whether the one before has shown the same. */
export interface RestingLook {
  /** Null: there is none. */
  readonly value: Uint8Array<ArrayBuffer> | null;
  readonly isAtRest: boolean;
}

/** Looks until two looks show the same. What is gone in between stays as it was seen last. */
export function lookAtRest(look: () => Uint8Array<ArrayBuffer> | null): RestingLook {
  let value = look();
  if (value === null) return { value, isAtRest: true };
  for (let i = 0; i < LOOKS_MAX; i++) {
    const next = look();
    if (next === null || Buffer.compare(value, next) === 0) return { value, isAtRest: true };
    value = next;
  }
  return { value, isAtRest: false };
}
