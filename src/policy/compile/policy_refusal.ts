/**
 * Why a policy cannot be used.
 *
 * @module
 */
import type { Place } from "../model.ts";

/** The tables cannot take a policy; they are as they were. */
export class PolicyRefusal extends Error {
  override readonly name = "PolicyRefusal";

  constructor(
    /** Its name. */
    readonly policy: string,
    /** State found. */
    readonly reason: string,
    readonly hint: string,
    /** The part of it that does not fit. */
    readonly place?: Place,
  ) {
    super(`Cannot add policy "${policy}": ${reason}`);
  }
}
