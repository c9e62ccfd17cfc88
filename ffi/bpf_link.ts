/**
 * The attachment of a program to its hook.
 *
 * @module
 */
import { Errno } from "./errno.ts";
import { LibbpfError, unwrap } from "./errors.ts";
import { BPF_LINK_INFO } from "./struct_layouts.ts";
import type { ObjectState } from "./object_state.ts";

/** BPF_LINK_TYPE_CGROUP of uapi/linux/bpf.h. */
const LINK_TYPE_CGROUP = 3;

/** A link as the kernel has it. */
export interface LinkState {
  readonly programId: number;
  /** Nothing runs by it any more. Links of other kinds than cgroups cannot be detached. */
  readonly isDetached: boolean;
}

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

  /**
   * What the kernel says of it now. Others with the right to do so can detach a link of a cgroup,
   * or give it another program, without closing it.
   *
   * @throws {LibbpfError} the link is gone.
   */
  state(): LinkState {
    const operation = "bpf_obj_get_info_by_fd";
    const attempt = { operation, action: "read the state of", object: "link" };
    const pointer = this.#pointer;
    if (pointer === null) throw new LibbpfError(attempt, Errno.EBADF);
    const { symbols } = this.#state;
    const info = new Uint8Array(BPF_LINK_INFO.SIZE);
    const size = new Uint32Array([BPF_LINK_INFO.SIZE]);
    unwrap(symbols[operation](symbols.bpf_link__fd(pointer), info, size), attempt);
    const view = new DataView(info.buffer);
    const isCgroup = view.getUint32(BPF_LINK_INFO.type, true) === LINK_TYPE_CGROUP;
    return {
      programId: view.getUint32(BPF_LINK_INFO.prog_id, true),
      isDetached: isCgroup && view.getBigUint64(BPF_LINK_INFO.cgroup_id, true) === 0n,
    };
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
