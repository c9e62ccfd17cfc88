/**
 * Programs of hooks other than system calls: one of each kind that a hook needs, however many
 * policies look at it.
 *
 * @module
 */
import type { BpfLink, BpfMap, BpfObject, BpfProgram, BpfProgramInfo } from "../../ffi/mod.ts";
import { explainLoadFailure } from "../loader/mod.ts";
import {
  type HookMeans,
  type HookPlan,
  type HookPoint,
  type KernelAbilities,
  planHook,
  pointText,
} from "../policy/mod.ts";
import { hookError, loadPart, type ObjectSource } from "./program_part.ts";
import { FieldKind, Tracefs, type TracepointField } from "./tracepoint_format.ts";

/** A hook that is to be served. */
export interface ServedHook {
  /** Number in the tables. */
  readonly id: number;
  readonly point: HookPoint;
  /** Something is done or told at the end of its calls. */
  readonly returns: boolean;
}

/** What `HookPrograms` works with. */
export interface HookProgramsOptions {
  /** The object of hooks, with the tables among its shared maps. */
  readonly source: ObjectSource;
  readonly abilities: KernelAbilities;
  readonly tracefs?: Tracefs;
}

/** POLICY_SLOTS_PER_CPU of `policy_slots.bpf.h`. */
const SLOTS_PER_CPU = 4;
/** Maps that programs of hooks share among themselves. */
const SLOT_MAPS: readonly string[] = ["policy_work", "policy_claims"];

/** `struct policy_field` of `policy_hooks.bpf.c`: u16 offset, u8 size, u8 kind. */
const FIELD_SIZE = 4;
const FIELDS_MAX = 64;
/** Bytes of a number; longer fields are memory, whose size the program does not need. */
const NUMBER_SIZE_MAX = 8;

/** Programs of a hook, by the means: that of the call, and that of its end. */
const PROGRAMS: Readonly<Record<Exclude<HookMeans, "syscall">, readonly [string, string?]>> = {
  kprobe: ["on_function", "on_function_end"],
  fmod_ret: ["on_security", "on_security_end"],
  lsm: ["on_lsm"],
  tracepoint: ["on_point"],
  raw_tracepoint: ["on_raw_point"],
};

/** Programs that run. Owns them. */
export class HookPrograms {
  readonly #options: HookProgramsOptions;
  readonly #tracefs: Tracefs;
  /** By number of the hook, name of the program and hook point. */
  readonly #running = new Map<string, HookProgram>();

  constructor(options: HookProgramsOptions) {
    this.#options = options;
    this.#tracefs = options.tracefs ?? new Tracefs();
  }

  /**
   * Makes programs run for these hooks; those that run already go on.
   *
   * @throws {LoadError} a hook cannot be had; what ran before still runs, and nothing else.
   */
  attach(hooks: readonly ServedHook[]): void {
    const added: string[] = [];
    try {
      for (const hook of hooks) {
        this.#endOthers(hook);
        for (const name of this.#programsOf(hook)) {
          const key = `${hook.id} ${name} ${pointText(hook.point)}`;
          if (this.#running.has(key)) continue;
          this.#running.set(key, this.#load(hook, name));
          added.push(key);
        }
      }
    } catch (error) {
      for (const key of added.reverse()) this.#end(key);
      throw error;
    }
  }

  /** A number is used again for another hook: programs of the one before must not look it up. */
  #endOthers({ id, point }: ServedHook): void {
    const text = pointText(point);
    for (const key of [...this.#running.keys()]) {
      if (Number.parseInt(key) === id && !key.endsWith(` ${text}`)) this.#end(key);
    }
  }

  /** Ends the programs of all other hooks. */
  keepOnly(isUsed: (hook: number) => boolean): void {
    for (const key of [...this.#running.keys()]) {
      if (!isUsed(Number.parseInt(key))) this.#end(key);
    }
  }

  get size(): number {
    return this.#running.size;
  }

  /** In words: "on_lsm (lsm file_open)". */
  programs(): string[] {
    return [...this.#running.values()].map(({ text }) => text);
  }

  info(): (BpfProgramInfo & { readonly program: string })[] {
    return [...this.#running.values()].map((running) => running.info());
  }

  /** Kernel memory of maps that are not the tables', bytes. */
  mapMemorySize(): number {
    const [first] = this.#running.values();
    if (first === undefined) return 0;
    const { shared } = this.#options.source;
    const own = SLOT_MAPS.reduce((sum, name) => sum + first.map(name).memlockBytes(), 0);
    return [...this.#running.values()].reduce(
      (sum, running) => sum + running.mapMemorySize((name) => shared.has(name)),
      own,
    );
  }

  /** The end of calls first: no call may be kept that nobody ends. */
  #programsOf({ point, returns }: ServedHook): string[] {
    const plan = this.#plan(point);
    if (plan.means === "syscall") throw new TypeError(`"${point.kind}" is not served here`);
    const [atCall, atEnd] = PROGRAMS[plan.means];
    return returns && atEnd !== undefined ? [atEnd, atCall] : [atCall];
  }

  #plan(point: HookPoint): HookPlan {
    const plan = planHook(point, this.#options.abilities);
    if (!("means" in plan)) throw hookError(point, plan.reason, plan.hint);
    return plan;
  }

  #load(hook: ServedHook, name: string): HookProgram {
    const { point } = hook;
    const plan = this.#plan(point);
    const source = this.#slotsSource();
    const fields = point.kind === "tracepoint"
      ? this.#tracefs.fields(point.subsystem, point.name) ?? []
      : [];
    const state = this.#options.abilities.findPoint(point);
    const globals = {
      ...source.globals,
      policy_hook: hook.id,
      policy_hook_args: state.exists ? state.argCount ?? 0 : 0,
      policy_hook_fails: state.exists && state.returnsError ? 1 : 0,
    };
    return new HookProgram({ ...source, globals }, { name, plan, point, fields });
  }

  /** The memory that programs work in is made by the first, and lives as long as any of them. */
  #slotsSource(): ObjectSource {
    const { source } = this.#options;
    const slots = (source.cpuIdMax + 1) * SLOTS_PER_CPU;
    const entries = Object.fromEntries(SLOT_MAPS.map((name) => [name, slots]));
    const shared = new Map<string, BpfMap>(source.shared);
    const [first] = this.#running.values();
    if (first !== undefined) { for (const name of SLOT_MAPS) shared.set(name, first.map(name)); }
    return { ...source, shared, entries: { ...source.entries, ...entries } };
  }

  #end(key: string): void {
    this.#running.get(key)?.[Symbol.dispose]();
    this.#running.delete(key);
  }

  /** Detaches and frees everything. Safe to call twice. */
  [Symbol.dispose](): void {
    this.keepOnly(() => false);
  }
}

interface ProgramPlace {
  readonly name: string;
  readonly plan: HookPlan;
  readonly point: HookPoint;
  /** Of a tracepoint. */
  readonly fields: readonly TracepointField[];
}

/** One program of one hook. */
class HookProgram {
  readonly text: string;
  readonly #name: string;
  readonly #object: BpfObject;

  /** @throws {LoadError} the kernel refuses; nothing stays loaded. */
  constructor(source: ObjectSource, place: ProgramPlace) {
    const { name, plan, point, fields } = place;
    this.#name = name;
    this.text = `${name} (${pointText(point)})`;
    const named = { ...source, name: `hook "${pointText(point)}"` };
    this.#object = loadPart(named, [name], (object) => {
      if (plan.means === "lsm" || plan.means === "fmod_ret") {
        object.program(name).setAttachTarget(plan.target);
      }
      if (plan.means === "tracepoint") writeFields(object, source, fields);
    });
    try {
      // The link ends with the object.
      attachProgram(this.#object.program(name), place);
    } catch (error) {
      this[Symbol.dispose]();
      throw explainLoadFailure(`${named.name} (${name})`, error);
    }
  }

  info(): BpfProgramInfo & { readonly program: string } {
    return { program: this.text, ...this.#object.program(this.#name).info() };
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

function attachProgram(program: BpfProgram, { name, plan, point }: ProgramPlace): BpfLink {
  switch (plan.means) {
    case "kprobe":
      return program.attachKprobe(plan.target, name === PROGRAMS.kprobe[1]);
    case "tracepoint":
      return program.attachTracepoint(
        point.kind === "tracepoint" ? point.subsystem : "",
        plan.target,
      );
    case "raw_tracepoint":
      return program.attachRawTracepoint(plan.target);
    default:
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
