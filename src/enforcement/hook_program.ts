/**
 * The program of one hook, loaded with the constants of that hook and attached.
 *
 * @module
 */
import type { BpfLink, BpfMap, BpfObject, BpfProgram, BpfProgramInfo } from "../../ffi/mod.ts";
import { explainLoadFailure } from "../loader/mod.ts";
import { type HookMeans, type HookPoint, pointText } from "../policy/mod.ts";
import { loadPart, type ObjectSource } from "./program_part.ts";
import { FieldKind, type TracepointField } from "./tracepoint_format.ts";

/** Maps that programs of hooks share among themselves. */
export const SLOT_MAPS: readonly string[] = ["policy_work", "policy_claims"];

/** `struct policy_field` of `policy_hooks.bpf.c`: u16 offset, u8 size, u8 kind. */
const FIELD_SIZE = 4;
const FIELDS_MAX = 64;
/** Bytes of a number; longer fields are memory, whose size the program does not need. */
const NUMBER_SIZE_MAX = 8;

/** What a program is attached to, and how. */
export interface ProgramPlace {
  /** In `policy_hooks.bpf.c`. */
  readonly name: string;
  /** Takes the runs that the kernel skips the other for, on the same place. */
  readonly spare?: string;
  readonly means: Exclude<HookMeans, "syscall">;
  readonly target: string;
  /** It runs when the function returns. */
  readonly isAtEnd: boolean;
  readonly point: HookPoint;
  /** Of a tracepoint. */
  readonly fields: readonly TracepointField[];
}

/** Programs that were loaded together. Owns them, their maps and what they are attached to. */
export class LoadedPrograms {
  readonly #names: readonly string[];
  readonly #object: BpfObject;

  /** @throws {LoadError} the kernel refuses; nothing stays loaded. */
  constructor(
    source: ObjectSource,
    names: readonly string[],
    prepare?: (object: BpfObject) => void,
  ) {
    this.#names = names;
    this.#object = loadPart(source, names, prepare);
  }

  program(name: string): BpfProgram {
    return this.#object.program(name);
  }

  info(): (BpfProgramInfo & { readonly program: string })[] {
    return this.#names.map((program) => ({ program, ...this.program(program).info() }));
  }

  /** Runs that no program took: at most those of the one that was skipped least. */
  skippedRuns(): number {
    return Math.min(...this.info().map(({ recursionMisses }) => Number(recursionMisses)));
  }

  /** A map, which lives as long as this program, and longer where others use it too. */
  map(name: string): BpfMap {
    return this.#object.map(name);
  }

  /** Kernel memory of maps that no other program has, bytes. */
  mapMemorySize(isShared: (name: string) => boolean): number {
    return this.#object.maps.filter(({ name }) => !isShared(name) && !SLOT_MAPS.includes(name))
      .reduce((sum, map) => sum + map.memlockBytes(), 0);
  }

  [Symbol.dispose](): void {
    this.#object[Symbol.dispose]();
  }
}

/** In words: "on_lsm (lsm file_open)". */
export function programText(name: string, point: HookPoint, target: string): string {
  const text = pointText(point);
  return point.kind === "syscall" ? `${name} (${text}, ${target})` : `${name} (${text})`;
}

/**
 * Loads a program and attaches it.
 *
 * @throws {LoadError} the kernel refuses; nothing stays loaded.
 */
export function attachHookProgram(source: ObjectSource, place: ProgramPlace): LoadedPrograms {
  const { name, spare, means, target, point, fields } = place;
  const names = spare === undefined ? [name] : [name, spare];
  const named = { ...source, name: `hook "${pointText(point)}"` };
  const loaded = new LoadedPrograms(named, names, (object) => {
    if (means === "lsm" || means === "fmod_ret") {
      for (const other of names) object.program(other).setAttachTarget(target);
    }
    if (means === "tracepoint") writeFields(object, source, fields);
  });
  try {
    // The links end with the object.
    for (const other of names) attachProgram(loaded.program(other), place);
    return loaded;
  } catch (error) {
    loaded[Symbol.dispose]();
    throw explainLoadFailure(`${named.name} (${name})`, error);
  }
}

function attachProgram(
  program: BpfProgram,
  { means, target, isAtEnd, point }: ProgramPlace,
): BpfLink {
  switch (means) {
    case "kprobe":
    case "override_return":
      return program.attachKprobe(target, isAtEnd);
    case "tracepoint":
      return program.attachTracepoint(point.kind === "tracepoint" ? point.subsystem : "", target);
    case "raw_tracepoint":
      return program.attachRawTracepoint(target);
    case "lsm":
    case "fmod_ret":
      return program.attach();
  }
}

/** Fields behind the last that policies can name are left out. */
function writeFields(
  object: BpfObject,
  { entry }: ObjectSource,
  fields: readonly TracepointField[],
): void {
  const place = entry.globals["policy_fields"];
  if (place === undefined) throw new TypeError('The object has no variable "policy_fields"');
  const bytes = object.map(place.section).initialValue();
  const view = new DataView(bytes.buffer, bytes.byteOffset + place.offset, place.size);
  fields.slice(0, FIELDS_MAX).forEach(({ offset, size, kind }, i) => {
    const isNumber = kind === FieldKind.UNSIGNED || kind === FieldKind.SIGNED;
    view.setUint16(i * FIELD_SIZE, offset, true);
    view.setUint8(i * FIELD_SIZE + 2, isNumber ? Math.min(size, NUMBER_SIZE_MAX) : 0);
    view.setUint8(i * FIELD_SIZE + 3, kind);
  });
}
