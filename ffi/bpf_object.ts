/**
 * A BPF object: open from memory, configure, load, close.
 *
 * @module
 */
import { BpfMap } from "./bpf_map.ts";
import { BpfProgram } from "./bpf_program.ts";
import { encodeCString } from "./c_string.ts";
import { Errno } from "./errno.ts";
import { LibbpfError, unwrapPointer, VerifierError } from "./errors.ts";
import type { MapElements } from "./map_elements.ts";
import { addressOf } from "./memory.ts";
import type { ObjectState } from "./object_state.ts";
import { BPF_OBJECT_OPEN_OPTS } from "./struct_layouts.ts";

/** Options of `Libbpf.openObject()`. */
export interface OpenObjectOptions {
  /** Bytes of verifier log kept per program; the log of a refused program is cut there. */
  readonly kernelLogSize?: number;
}

/** A refused program needs about 200 KiB of log; pages that are not touched cost nothing. */
const KERNEL_LOG_SIZE = 1 << 20;

/** Programs or maps we expect in one object at most; beyond it the list of libbpf has no end. */
const MEMBERS_MAX = 4096;

/** An opened BPF object. Owns its programs, maps and the links made from them. */
export class BpfObject {
  readonly name: string;
  readonly programs: readonly BpfProgram[];
  readonly maps: readonly BpfMap[];
  readonly #pointer: Deno.PointerObject;
  readonly #state: ObjectState;
  readonly #kernelLogSize: number;

  /**
   * Opens an object file that is in memory; libbpf copies what it needs.
   *
   * @throws {LibbpfError} it is no BPF object.
   */
  constructor(
    shared: Pick<ObjectState, "symbols" | "errno" | "possibleCpuCount">,
    elements: MapElements,
    bytes: Uint8Array<ArrayBuffer>,
    name: string,
    options: OpenObjectOptions = {},
  ) {
    this.name = name;
    this.#kernelLogSize = options.kernelLogSize ?? KERNEL_LOG_SIZE;
    this.#state = { ...shared, links: new Set(), phase: "open" };
    const { symbols, errno } = shared;
    const cName = encodeCString(name);
    const pointer = symbols.bpf_object__open_mem(bytes, BigInt(bytes.length), openOptions(cName));
    const code = errno.read();
    this.#pointer = unwrapPointer(
      pointer,
      code,
      this.#attempt("bpf_object__open_mem", "open BPF object"),
    );
    try {
      this.programs = members((before) => symbols.bpf_object__next_program(this.#pointer, before))
        .map((program) => new BpfProgram(program, this.#state));
      this.maps = members((before) => symbols.bpf_object__next_map(this.#pointer, before))
        .map((map) => new BpfMap(map, this.#state, elements));
    } catch (error) {
      symbols.bpf_object__close(this.#pointer);
      throw error;
    }
  }

  /** @throws {LibbpfError} there is no such program. */
  program(name: string): BpfProgram {
    const program = this.programs.find((program) => program.name === name);
    if (program === undefined) {
      const attempt = { operation: "bpf_object__next_program", action: "find program" };
      throw new LibbpfError({ ...attempt, object: `${this.name}/${name}` }, Errno.ENOENT);
    }
    return program;
  }

  /**
   * A map by name; ".rodata", ".data" and ".bss" find the maps of global variables.
   *
   * @throws {LibbpfError} there is no such map.
   */
  map(name: string): BpfMap {
    const operation = "bpf_object__find_map_by_name";
    const attempt = { operation, action: "find map", object: `${this.name}/${name}` };
    if (this.#state.phase === "closed") throw new LibbpfError(attempt, Errno.EBADF);
    const pointer = this.#state.symbols[operation](this.#pointer, encodeCString(name));
    const map = pointer === null ? undefined : this.maps.find((map) => map.isAt(pointer));
    if (map === undefined) throw new LibbpfError(attempt, Errno.ENOENT);
    return map;
  }

  /**
   * Makes the maps and loads the programs. Blocks for as long as the verifier needs. After a
   * failure the object can only be closed.
   *
   * @throws {VerifierError} a program was refused; holds its log.
   * @throws {LibbpfError} anything else.
   */
  load(): void {
    const attempt = this.#attempt("bpf_object__load", "load BPF object");
    if (this.#state.phase !== "open") throw new LibbpfError(attempt, Errno.EBUSY);
    const loaded = this.programs.filter((program) => program.autoload);
    for (const program of loaded) program.openLog(this.#kernelLogSize);
    for (const map of this.maps) map.detachInitialValue();
    this.#state.phase = "loaded";
    const code = -this.#state.symbols.bpf_object__load(this.#pointer);
    const logs = loaded.map((program) => ({ name: program.name, log: program.takeLog() }));
    if (code <= 0) return;
    const refused = logs.find(({ log }) => log !== "");
    if (refused === undefined) throw new LibbpfError(attempt, code);
    throw new VerifierError(attempt, code, refused.name, refused.log);
  }

  /** Detaches what is still attached, then frees programs and maps. Safe to call twice. */
  [Symbol.dispose](): void {
    if (this.#state.phase === "closed") return;
    for (const link of [...this.#state.links]) link[Symbol.dispose]();
    for (const map of this.maps) map.detachInitialValue();
    this.#state.phase = "closed";
    this.#state.symbols.bpf_object__close(this.#pointer);
  }

  #attempt(operation: string, action: string) {
    return { operation, action, object: this.name };
  }
}

/** `struct bpf_object_open_opts`; `name` must stay alive until the open returns. */
function openOptions(name: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const options = new Uint8Array(BPF_OBJECT_OPEN_OPTS.SIZE);
  const view = new DataView(options.buffer);
  view.setBigUint64(BPF_OBJECT_OPEN_OPTS.sz, BigInt(BPF_OBJECT_OPEN_OPTS.SIZE), true);
  view.setBigUint64(BPF_OBJECT_OPEN_OPTS.object_name, addressOf(name), true);
  return options;
}

function members(next: (before: Deno.PointerValue) => Deno.PointerValue): Deno.PointerObject[] {
  const found: Deno.PointerObject[] = [];
  for (let at = next(null); at !== null; at = next(at)) {
    if (found.length >= MEMBERS_MAX) throw new RangeError("Cannot list BPF object: it has no end");
    found.push(at);
  }
  return found;
}
