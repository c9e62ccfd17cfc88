/**
 * The attachment of a program to its hook.
 *
 * @module
 */
import type { ObjectState } from "./object_state.ts";

/** An attached program. Disposing detaches; the object does it for links that are still there. */
export class BpfLink {
  readonly #state: ObjectState;
  #pointer: Deno.PointerObject | null;

  constructor(pointer: Deno.PointerObject, state: ObjectState) {
    this.#pointer = pointer;
    this.#state = state;
    state.links.add(this);
  }

  /** Detaches. Safe to call twice; the program runs no more when it returns. */
  [Symbol.dispose](): void {
    const pointer = this.#pointer;
    if (pointer === null) return;
    this.#pointer = null;
    this.#state.links.delete(this);
    // The link is freed even when the kernel refuses, and closing its descriptor detaches.
    this.#state.symbols.bpf_link__destroy(pointer);
  }
}
