/**
 * The attachment of a program to its hook.
 *
 * @module
 */
import { Errno } from "./errno.ts";
import { LibbpfError, unwrap } from "./errors.ts";
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

  /**
   * Opens an iterator that is attached by this link: who reads it runs the program for each object.
   *
   * @returns a descriptor of the caller's, close-on-exec; it outlives the link
   * @throws {LibbpfError} the link is gone, or the kernel refuses.
   */
  openIterator(): number {
    const operation = "bpf_iter_create";
    const attempt = { operation, action: "open iterator", object: "link" };
    const pointer = this.#pointer;
    if (pointer === null) throw new LibbpfError(attempt, Errno.EBADF);
    const { symbols } = this.#state;
    return unwrap(symbols.bpf_iter_create(symbols.bpf_link__fd(pointer)), attempt);
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
