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

/** A program of `policy_hooks.bpf.c` and what it is attached to. */
export interface PlacedProgram {
  readonly name: string;
  /** Takes the runs that the kernel skips the other for, on the same target. */
  readonly spare?: string;
  readonly target: string;
}

/** Programs that are loaded together for a hook, and how they are attached. */
export interface ProgramPlace {
  /** In words, where there is more than one. */
  readonly name: string;
  readonly programs: readonly PlacedProgram[];
  readonly means: Exclude<HookMeans, "syscall">;
  /** It runs when the function returns. */
  readonly isAtEnd: boolean;
  readonly point: HookPoint;
  /** Of a tracepoint. */
  readonly fields: readonly TracepointField[];
}

/** Programs that were loaded together. Owns them, their maps and what they are attached to. */
export class LoadedPrograms {
  readonly #programs: readonly PlacedProgram[];
  readonly #object: BpfObject;

  /** @throws {LoadError} the kernel refuses; nothing stays loaded. */
  constructor(
    source: ObjectSource,
    programs: readonly PlacedProgram[],
    prepare?: (object: BpfObject) => void,
  ) {
    this.#programs = programs;
    this.#object = loadPart(source, namesOf(programs), prepare);
  }

  program(name: string): BpfProgram {
    return this.#object.program(name);
  }

  info(): (BpfProgramInfo & { readonly program: string })[] {
    return namesOf(this.#programs).map((program) => ({ program, ...this.program(program).info() }));
  }

  /** Runs that no program took: where there is a spare, at most those that it was skipped for. */
  skippedRuns(): number {
    const skipped = new Map(
      this.info().map(({ program, recursionMisses }) => [program, Number(recursionMisses)]),
    );
    const loaded = new Map(this.#programs.map(({ name, spare }) => [name, spare]));
    return [...loaded].reduce(
      (sum, [name, spare]) =>
        sum + Math.min(skipped.get(name)!, skipped.get(spare ?? name) ?? Infinity),
      0,
    );
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

/** A program may be attached to several targets. */
function namesOf(programs: readonly PlacedProgram[]): string[] {
  return [
    ...new Set(programs.flatMap(({ name, spare }) => spare === undefined ? name : [name, spare])),
  ];
}

/** In words: "on_lsm (lsm file_open)". */
export function programText(name: string, point: HookPoint): string {
  return `${name} (${pointText(point)})`;
}

/**
 * Loads a program and attaches it.
 *
 * @throws {LoadError} the kernel refuses; nothing stays loaded.
 */
export function attachHookProgram(source: ObjectSource, place: ProgramPlace): LoadedPrograms {
  const { name, programs, means, point, fields } = place;
  const named = { ...source, name: `hook "${pointText(point)}"` };
  const all = programs.flatMap(({ name, spare, target }) =>
    namesOf([{ name, ...(spare !== undefined && { spare }), target }])
      .map((other) => ({ name: other, target }))
  );
  const loaded = new LoadedPrograms(named, programs, (object) => {
    if (means === "lsm" || means === "fmod_ret") {
      for (const { name, target } of all) object.program(name).setAttachTarget(target);
    }
    if (means === "tracepoint") writeFields(object, source, fields);
  });
  try {
    // The links end with the object.
    for (const { name, target } of all) attachProgram(loaded.program(name), target, place);
    return loaded;
  } catch (error) {
    loaded[Symbol.dispose]();
    throw explainLoadFailure(`${named.name} (${name})`, error);
  }
}

function attachProgram(
  program: BpfProgram,
  target: string,
  { means, isAtEnd, point }: ProgramPlace,
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
