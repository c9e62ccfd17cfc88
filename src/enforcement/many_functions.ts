/**
 * One program for many functions (kprobe.multi): it is loaded once, and one step attaches it to all
 * functions that come together.
 *
 * @module
 */
import type { BpfLink } from "../../ffi/mod.ts";
import { explainLoadFailure } from "../loader/mod.ts";
import { LoadedPrograms } from "./hook_program.ts";
import type { ObjectSource } from "./program_part.ts";

/** A function and the hook that it is. */
export interface HookedFunction {
  readonly name: string;
  readonly hook: number;
}

/** Functions that were attached in one step, and end in one. */
interface Attached {
  readonly link: BpfLink;
  /** Row by function. */
  readonly rows: ReadonlyMap<string, number>;
}

const PROGRAM = "on_functions";
/** POLICY_FUNCTIONS of `policy_hooks.bpf.c`. */
const ROWS = 256;

/**
 * The program with what it is attached to. A function is not let go of alone: its row is emptied,
 * and it ends with the last of those that came with it.
 */
export class ManyFunctions {
  readonly loaded: LoadedPrograms;
  readonly #attached = new Set<Attached>();
  /** Hook by row. */
  readonly #hooks = new Map<number, number>();

  /** @throws {LoadError} the kernel refuses; nothing stays loaded. */
  constructor(source: ObjectSource) {
    this.loaded = new LoadedPrograms({ ...source, name: "hooks of functions" }, [
      { name: PROGRAM, target: "" },
    ]);
  }

  /** No function is any hook. */
  get isIdle(): boolean {
    return this.#hooks.size === 0;
  }

  /** Whether the function is a hook, so that it cannot be another one. */
  has(name: string): boolean {
    const row = this.#rowOf(name);
    return row !== undefined && this.#hooks.has(row);
  }

  /** @throws {LoadError} one of them cannot be attached; then none is. */
  attach(functions: readonly HookedFunction[]): void {
    const here = functions.filter(({ name }) => this.#rowOf(name) !== undefined);
    const come = functions.filter(({ name }) => this.#rowOf(name) === undefined);
    const rows = new Map(come.map(({ name }, i) => [name, this.#freeRows()[i]!]));
    if (rows.size > 0) {
      try {
        // Rows of functions that come are filled first: from then on nothing is missed.
        for (const { name, hook } of come) this.#setRow(rows.get(name)!, hook);
        const cookies = come.map(({ name }) => ({ name, cookie: rows.get(name)! }));
        const link = this.loaded.program(PROGRAM).attachKprobeMulti(cookies);
        this.#attached.add({ link, rows });
      } catch (error) {
        for (const row of rows.values()) if (this.#hooks.has(row)) this.#setRow(row, undefined);
        throw explainLoadFailure(`hooks of functions (${PROGRAM})`, error);
      }
    }
    for (const { name, hook } of here) this.#setRow(this.#rowOf(name)!, hook);
  }

  /** The function is no hook any more. */
  release(name: string): void {
    const row = this.#rowOf(name);
    if (row === undefined) return;
    this.#setRow(row, undefined);
    for (const attached of this.#attached) {
      if ([...attached.rows.values()].some((other) => this.#hooks.has(other))) continue;
      attached.link[Symbol.dispose]();
      this.#attached.delete(attached);
    }
  }

  #rowOf(name: string): number | undefined {
    for (const { rows } of this.#attached) {
      const row = rows.get(name);
      if (row !== undefined) return row;
    }
    return undefined;
  }

  /** Twice as many as there can be hooks; those of functions that stay behind are taken. */
  #freeRows(): number[] {
    const taken = new Set([...this.#attached].flatMap(({ rows }) => [...rows.values()]));
    return Array.from({ length: ROWS }, (_, row) => row).filter((row) => !taken.has(row));
  }

  #setRow(row: number, hook: number | undefined): void {
    const value = new Uint8Array(
      BigUint64Array.of(BigInt(hook === undefined ? 0 : hook + 1)).buffer,
    );
    this.loaded.map("policy_functions").update(
      new Uint8Array(Uint32Array.of(row).buffer),
      value,
    );
    if (hook === undefined) this.#hooks.delete(row);
    else this.#hooks.set(row, hook);
  }

  /** Detaches and frees everything. Safe to call twice. */
  [Symbol.dispose](): void {
    this.#attached.clear();
    this.#hooks.clear();
    this.loaded[Symbol.dispose]();
  }
}
