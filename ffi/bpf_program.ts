/**
 * One program of a BPF object.
 *
 * @module
 */
import { BpfLink } from "./bpf_link.ts";
import type { ObjectState } from "./object_state.ts";
import { decodeCString, encodeCString, readCString } from "./c_string.ts";
import { Errno } from "./errno.ts";
import { addressOf } from "./memory.ts";
import { LibbpfError, unwrap, unwrapPointer } from "./errors.ts";
import { BPF_KPROBE_MULTI_OPTS, BPF_PROG_INFO, BPF_TEST_RUN_OPTS } from "./struct_layouts.ts";

/** What the kernel counts about a program. */
export interface BpfProgramInfo {
  /** Time spent in it, ns; 0 unless statistics are on (`Libbpf.enableStats()`). */
  readonly runTimeNs: bigint;
  /** Runs; 0 unless statistics are on. */
  readonly runCount: bigint;
  /** Runs that were skipped because it was running on that CPU already; 0 before Linux 5.12. */
  readonly recursionMisses: bigint;
}

/** A function of the kernel, and what a program at it finds. */
export interface KprobeFunction {
  readonly name: string;
  readonly cookie: number;
}

/** A program. Owned by its object: it ends with it. */
export class BpfProgram {
  readonly name: string;
  readonly #pointer: Deno.PointerObject;
  readonly #state: ObjectState;
  #log: Uint8Array<ArrayBuffer> | null = null;

  constructor(pointer: Deno.PointerObject, state: ObjectState) {
    this.#pointer = pointer;
    this.#state = state;
    this.name = readCString(state.symbols.bpf_program__name(pointer));
  }

  /** Whether the load takes it along. */
  get autoload(): boolean {
    return this.#state.symbols.bpf_program__autoload(this.#alive("bpf_program__autoload"));
  }

  /** Leaves the program out of the load, or takes it in again. Before load only. */
  setAutoload(autoload: boolean): void {
    const pointer = this.#alive("bpf_program__set_autoload");
    unwrap(
      this.#state.symbols.bpf_program__set_autoload(pointer, autoload),
      this.#attempt("bpf_program__set_autoload", "leave out or take in program"),
    );
  }

  /**
   * Descriptor, owned by the object.
   *
   * @throws {LibbpfError} the program is not loaded.
   */
  get fd(): number {
    const fd = this.#state.symbols.bpf_program__fd(this.#alive("bpf_program__fd"));
    return unwrap(fd, this.#attempt("bpf_program__fd", "get the descriptor of program"));
  }

  /**
   * Attaches to the hook its section names. The link is the caller's; what is left of links when
   * the object closes is detached then.
   *
   * @throws {LibbpfError} the hook is not there, or the kernel refused.
   */
  attach(): BpfLink {
    const operation = "bpf_program__attach";
    return this.#link(operation, this.#state.symbols[operation](this.#alive(operation)));
  }

  /**
   * Names the function or LSM hook of the kernel that the program is for, where its section does
   * not (lsm, fentry, fexit, fmod_ret). Before load only.
   *
   * @throws {LibbpfError} the kernel has none of this name.
   */
  setAttachTarget(name: string): void {
    const operation = "bpf_program__set_attach_target";
    const pointer = this.#alive(operation);
    unwrap(
      this.#state.symbols[operation](pointer, 0, encodeCString(name)),
      this.#attempt(operation, `find "${name}" for program`),
    );
  }

  /** Attaches a kprobe program to a function, or to its return. Otherwise as `attach()`. */
  attachKprobe(name: string, isReturn: boolean): BpfLink {
    const operation = "bpf_program__attach_kprobe";
    const pointer = this.#alive(operation);
    const link = this.#state.symbols[operation](pointer, isReturn, encodeCString(name));
    return this.#link(operation, link);
  }

  /**
   * Attaches a kprobe.multi program to functions; each run finds the cookie of its function.
   * Otherwise as `attach()`.
   */
  attachKprobeMulti(functions: readonly KprobeFunction[]): BpfLink {
    const operation = "bpf_program__attach_kprobe_multi_opts";
    const pointer = this.#alive(operation);
    const options = kprobeMultiOptions(functions);
    return this.#link(operation, this.#state.symbols[operation](pointer, null, options));
  }

  /** Attaches a tracepoint program by name. Otherwise as `attach()`. */
  attachTracepoint(subsystem: string, name: string): BpfLink {
    const operation = "bpf_program__attach_tracepoint";
    const [category, event] = [encodeCString(subsystem), encodeCString(name)];
    const link = this.#state.symbols[operation](this.#alive(operation), category, event);
    return this.#link(operation, link);
  }

  /** Attaches a raw tracepoint program by name. Otherwise as `attach()`. */
  attachRawTracepoint(name: string): BpfLink {
    const operation = "bpf_program__attach_raw_tracepoint";
    const link = this.#state.symbols[operation](this.#alive(operation), encodeCString(name));
    return this.#link(operation, link);
  }

  /**
   * Attaches a program of cgroups to the cgroup whose directory `cgroupFd` is; others that are
   * attached there run as well. Otherwise as `attach()`.
   */
  attachCgroup(cgroupFd: number): BpfLink {
    const operation = "bpf_program__attach_cgroup";
    const link = this.#state.symbols[operation](this.#alive(operation), cgroupFd);
    return this.#link(operation, link);
  }

  /**
   * Runs the program once, now and on this thread, attached or not. Without a context, so only for
   * programs that do not read theirs; raw tracepoint programs since Linux 5.10.
   *
   * @returns what the program has returned
   * @throws {LibbpfError} the program is not loaded, or the kernel cannot run it so.
   */
  testRun(): number {
    const options = new Uint8Array(BPF_TEST_RUN_OPTS.SIZE);
    const view = new DataView(options.buffer);
    view.setBigUint64(BPF_TEST_RUN_OPTS.sz, BigInt(BPF_TEST_RUN_OPTS.SIZE), true);
    unwrap(
      this.#state.symbols.bpf_prog_test_run_opts(this.fd, options),
      this.#attempt("bpf_prog_test_run_opts", "run program"),
    );
    return view.getUint32(BPF_TEST_RUN_OPTS.retval, true);
  }

  /** @throws {LibbpfError} the program is not loaded. */
  info(): BpfProgramInfo {
    const info = new Uint8Array(BPF_PROG_INFO.SIZE);
    const size = new Uint32Array([BPF_PROG_INFO.SIZE]);
    unwrap(
      this.#state.symbols.bpf_obj_get_info_by_fd(this.fd, info, size),
      this.#attempt("bpf_obj_get_info_by_fd", "read the state of program"),
    );
    const view = new DataView(info.buffer);
    return {
      runTimeNs: view.getBigUint64(BPF_PROG_INFO.run_time_ns, true),
      runCount: view.getBigUint64(BPF_PROG_INFO.run_cnt, true),
      recursionMisses: view.getBigUint64(BPF_PROG_INFO.recursion_misses, true),
    };
  }

  /** Gives the verifier a place for its log; without one libbpf prints it. Called before load. */
  openLog(size: number): void {
    const log = new Uint8Array(size);
    unwrap(
      this.#state.symbols.bpf_program__set_log_buf(this.#pointer, log, BigInt(size)),
      this.#attempt("bpf_program__set_log_buf", "give a log buffer to program"),
    );
    this.#log = log;
  }

  /** Takes the verifier's log, empty when the program was not refused. Called after load. */
  takeLog(): string {
    const log = this.#log;
    this.#log = null;
    return log === null || log[0] === 0 ? "" : decodeCString(log);
  }

  #link(operation: string, link: Deno.PointerValue): BpfLink {
    const code = this.#state.errno.read();
    const pointer = unwrapPointer(link, code, this.#attempt(operation, "attach program"));
    return new BpfLink(pointer, this.#state);
  }

  #alive(operation: string): Deno.PointerObject {
    if (this.#state.phase === "closed") {
      throw new LibbpfError(this.#attempt(operation, "use program"), Errno.EBADF);
    }
    return this.#pointer;
  }

  #attempt(operation: string, action: string) {
    return { operation, action, object: this.name };
  }
}

/**
 * `struct bpf_kprobe_multi_opts` with all that it points to behind it, in one piece: whoever holds
 * it holds them.
 */
function kprobeMultiOptions(functions: readonly KprobeFunction[]): Uint8Array<ArrayBuffer> {
  const names = functions.map(({ name }) => encodeCString(name));
  const addressesAt = BPF_KPROBE_MULTI_OPTS.SIZE;
  const cookiesAt = addressesAt + 8 * names.length;
  let at = cookiesAt + 8 * names.length;
  const memory = new Uint8Array(names.reduce((size, { length }) => size + length, at));
  const base = addressOf(memory);
  const view = new DataView(memory.buffer);
  view.setBigUint64(BPF_KPROBE_MULTI_OPTS.sz, BigInt(BPF_KPROBE_MULTI_OPTS.SIZE), true);
  view.setBigUint64(BPF_KPROBE_MULTI_OPTS.syms, base + BigInt(addressesAt), true);
  view.setBigUint64(BPF_KPROBE_MULTI_OPTS.cookies, base + BigInt(cookiesAt), true);
  view.setBigUint64(BPF_KPROBE_MULTI_OPTS.cnt, BigInt(names.length), true);
  names.forEach((name, i) => {
    view.setBigUint64(addressesAt + 8 * i, base + BigInt(at), true);
    view.setBigUint64(cookiesAt + 8 * i, BigInt(functions[i]!.cookie), true);
    memory.set(name, at);
    at += name.length;
  });
  return memory;
}
