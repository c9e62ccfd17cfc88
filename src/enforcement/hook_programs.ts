/**
 * Programs of hooks other than system calls, and those that make system calls fail: one of each
 * kind that a hook needs, however many policies look at it.
 *
 * @module
 */
import type { BpfMap, BpfProgramInfo } from "../../ffi/mod.ts";
import { isKernelSince, LoadError } from "../loader/mod.ts";
import {
  type HookMeans,
  type HookPlan,
  type HookPoint,
  type KernelAbilities,
  planHook,
  pointText,
} from "../policy/mod.ts";
import { PolicyFails, PolicyFailureOffset } from "../wire/mod.ts";
import {
  attachHookProgram,
  type LoadedPrograms,
  type ProgramPlace,
  programText,
  SLOT_MAPS,
} from "./hook_program.ts";
import { ManyFunctions } from "./many_functions.ts";
import { hookError, type ObjectSource } from "./program_part.ts";
import { Tracefs } from "./tracepoint_format.ts";

/** A hook that is to be served. */
export interface ServedHook {
  /** Number in the tables. */
  readonly id: number;
  readonly point: HookPoint;
  /** Something is done or told at the end of its calls. */
  readonly returns: boolean;
  /** A policy makes calls fail. Of system calls only: there it is a program's of its own. */
  readonly overrides: boolean;
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

/** The one that ManyFunctions can stand in for. */
const FUNCTION = "on_function";
/** For fewer functions there is nothing to be won. */
const MANY_MIN = 2;

/** Programs of a hook, by the means: that of the call, and that of its end. */
const PROGRAMS: Readonly<Record<Exclude<HookMeans, "syscall">, readonly [string, string?]>> = {
  kprobe: [FUNCTION, "on_function_end"],
  override_return: ["on_function_fails", "on_function_end"],
  fmod_ret: ["on_security", "on_security_end"],
  lsm: ["on_lsm"],
  tracepoint: ["on_point"],
  raw_tracepoint: ["on_raw_point"],
};

/** Name of the programs at the functions of system calls, where those are made to fail. */
const SYSCALL = "on_syscall";
/** Of `policy_hooks.bpf.c`: on_syscall_0 and so on, that are loaded together. */
const SYSCALL_PROGRAMS_MAX = 8;
/** Before, programs on trampolines of these kernels are not preempted, and none is skipped. */
const SPARES_SINCE = [7, 0] as const;
const FAILING_MAP = "policy_failing";
const FAILURES_MAP = "policy_failures";

/** A program that is to run. */
interface WantedProgram {
  readonly key: string;
  readonly hook: ServedHook;
  readonly place: ProgramPlace;
}

/** A program that runs. */
interface RunningProgram extends Disposable {
  readonly text: string;
  /** Undefined: it is that of many functions. */
  readonly loaded?: LoadedPrograms;
}

/** Programs that run. Owns them. */
export class HookPrograms {
  readonly #options: HookProgramsOptions;
  readonly #tracefs: Tracefs;
  /** By number of the hook, name of the program, what it is attached to, and hook point. */
  readonly #running = new Map<string, RunningProgram>();
  #many: ManyFunctions | undefined;

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
    const add = ({ key }: WantedProgram, program: RunningProgram) => {
      this.#running.set(key, program);
      added.push(key);
    };
    try {
      for (const hook of hooks) this.#endOthers(hook);
      const wanted = hooks.flatMap((hook) => this.#wantedFor(hook))
        .filter(({ key }) => !this.#running.has(key));
      const many = this.#choose(wanted);
      for (const one of wanted) if (!many.includes(one)) add(one, this.#load(one));
      // Last: no call may be kept that nobody ends.
      const isDone = many.length > 0 && this.#attachMany(many);
      for (const one of many) add(one, isDone ? this.#part(one) : this.#load(one));
    } catch (error) {
      for (const key of added.reverse()) this.#end(key);
      this.#endMany();
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
    this.#endMany();
  }

  get size(): number {
    return this.#running.size;
  }

  /** In words: "on_lsm (lsm file_open)". Spares are left aside. */
  programs(): string[] {
    return [...this.#running.values()].map(({ text }) => text);
  }

  info(): (BpfProgramInfo & { readonly program: string })[] {
    const own = [...this.#running.values()].flatMap(({ text, loaded }) =>
      (loaded?.info() ?? []).map((info) => ({ ...info, program: text }))
    );
    return [...own, ...this.#many?.loaded.info() ?? []];
  }

  /** Runs that the kernel skipped, and nobody took instead. */
  skippedRuns(): number {
    return this.#loaded().reduce((sum, loaded) => sum + loaded.skippedRuns(), 0);
  }

  /** Kernel memory of maps that are not the tables', bytes. */
  mapMemorySize(): number {
    const all = this.#loaded();
    const [first] = all;
    if (first === undefined) return 0;
    const { shared } = this.#options.source;
    const own = SLOT_MAPS.reduce((sum, name) => sum + first.map(name).memlockBytes(), 0);
    return all.reduce(
      (sum, loaded) => sum + loaded.mapMemorySize((name) => shared.has(name)),
      own,
    );
  }

  #loaded(): LoadedPrograms[] {
    const own = [...this.#running.values()].flatMap(({ loaded }) => loaded ?? []);
    return this.#many === undefined ? own : [...own, this.#many.loaded];
  }

  /** The end of calls first: no call may be kept that nobody ends. */
  #wantedFor(hook: ServedHook): WantedProgram[] {
    const plan = this.#plan(hook.point);
    const places = plan.means === "syscall"
      ? this.#syscallPlaces(hook, plan)
      : this.#places(hook, { ...plan, means: plan.means });
    return places.map((place) => {
      const targets = place.programs.map(({ target }) => target).join();
      const key = `${hook.id} ${place.name} ${targets} ${pointText(hook.point)}`;
      return { key, hook, place };
    });
  }

  #places(
    { point, returns }: ServedHook,
    { means, target }: { readonly means: ProgramPlace["means"]; readonly target: string },
  ): ProgramPlace[] {
    const fields = point.kind === "tracepoint"
      ? this.#tracefs.fields(point.subsystem, point.name) ?? []
      : [];
    const [atCall, atEnd] = PROGRAMS[means];
    const place = (name: string, isAtEnd: boolean): ProgramPlace => ({
      ...{ name, programs: [{ name, target }], means, point, fields, isAtEnd },
    });
    const call = place(atCall, false);
    return returns && atEnd !== undefined ? [place(atEnd, true), call] : [call];
  }

  /** What a system call does is seen elsewhere; here only that it may fail. */
  #syscallPlaces({ point, overrides }: ServedHook, plan: HookPlan): ProgramPlace[] {
    if (!overrides) return [];
    const { override } = plan;
    if (!override.has) {
      throw hookError(point, override.reason, "use Sigkill, or an LSM hook that guards the same");
    }
    const place = { name: SYSCALL, point, fields: [], isAtEnd: false };
    const { entries } = override;
    if (override.by === "override_return") {
      const programs = entries.map((target) => ({ name: SYSCALL, target }));
      return [{ ...place, means: override.by, programs }];
    }
    const hasSpare = isKernelSince(this.#options.source.release, SPARES_SINCE);
    const places: ProgramPlace[] = [];
    for (let i = 0; i < entries.length; i += SYSCALL_PROGRAMS_MAX) {
      const programs = entries.slice(i, i + SYSCALL_PROGRAMS_MAX).map((target, number) => ({
        ...{ name: `${SYSCALL}_${number}`, target },
        ...(hasSpare && { spare: `on_spare_${number}` }),
      }));
      places.push({ ...place, means: "fmod_ret", programs });
    }
    return places;
  }

  #plan(point: HookPoint): HookPlan {
    const plan = planHook(point, this.#options.abilities);
    if (!("means" in plan)) throw hookError(point, plan.reason, plan.hint);
    return plan;
  }

  /** Functions for which one program is enough; none of them is another hook too. */
  #choose(wanted: readonly WantedProgram[]): WantedProgram[] {
    const functions = wanted.filter(({ place }) => place.name === FUNCTION);
    const chosen = functions.filter((one) =>
      this.#many?.has(targetOf(one)) !== true &&
      functions.filter((other) => targetOf(other) === targetOf(one)).length === 1
    );
    return chosen.length >= MANY_MIN && this.#options.abilities.kprobeMulti.has ? chosen : [];
  }

  /** False: the kernel does not take them together; it may take each alone, or tell which not. */
  #attachMany(wanted: readonly WantedProgram[]): boolean {
    try {
      this.#many ??= new ManyFunctions(this.#slotsSource(this.#options.source));
      this.#many.attach(
        wanted.map((one) => ({ name: targetOf(one), hook: one.hook.id })),
      );
      return true;
    } catch (error) {
      if (!(error instanceof LoadError)) throw error;
      this.#endMany();
      return false;
    }
  }

  #part(one: WantedProgram): RunningProgram {
    return {
      text: programText("on_functions", one.place.point),
      [Symbol.dispose]: () => this.#many?.release(targetOf(one)),
    };
  }

  #load({ hook, place }: WantedProgram): RunningProgram {
    const { source, abilities } = this.#options;
    const state = abilities.findPoint(hook.point);
    const globals = {
      ...source.globals,
      policy_hook: hook.id,
      policy_hook_args: state.exists ? state.argCount ?? 0 : 0,
      policy_hook_fails: state.exists && state.returnsError ? 1 : 0,
    };
    if (hook.point.kind === "syscall") this.#forgetFailures(hook.id);
    const loaded = attachHookProgram(this.#slotsSource({ ...source, globals }), place);
    if (hook.point.kind === "syscall") this.#setFailing(hook, true);
    return {
      text: programText(place.name, place.point),
      loaded,
      [Symbol.dispose]: () => {
        if (hook.point.kind === "syscall") this.#setFailing(hook, false);
        loaded[Symbol.dispose]();
      },
    };
  }

  /** Tells on_sys_enter whether somebody takes what it decides. */
  #setFailing({ id, point }: ServedHook, isAttached: boolean): void {
    const { override } = this.#plan(point);
    const hasCompat = override.has && override.compatGoesOn === undefined;
    const tables = !isAttached
      ? 0
      : PolicyFails.POLICY_FAILS_NATIVE | (hasCompat ? PolicyFails.POLICY_FAILS_COMPAT : 0);
    this.#options.source.shared.get(FAILING_MAP)?.update(
      new Uint8Array(Uint32Array.of(id).buffer),
      new Uint8Array(Uint32Array.of(tables).buffer),
    );
  }

  /** What is left of another hook with this number, whose program ended before it came by. */
  #forgetFailures(hook: number): void {
    const map = this.#options.source.shared.get(FAILURES_MAP);
    for (const key of map?.keys() ?? []) {
      const value = map!.lookup(key);
      if (value === null) continue;
      if (new DataView(value.buffer).getUint32(PolicyFailureOffset.hook, true) === hook) {
        map!.delete(key);
      }
    }
  }

  /** The memory that programs work in is made by the first, and lives as long as any of them. */
  #slotsSource(source: ObjectSource): ObjectSource {
    const slots = (source.cpuIdMax + 1) * SLOTS_PER_CPU;
    const entries = Object.fromEntries(SLOT_MAPS.map((name) => [name, slots]));
    const shared = new Map<string, BpfMap>(source.shared);
    const [first] = this.#loaded();
    if (first !== undefined) { for (const name of SLOT_MAPS) shared.set(name, first.map(name)); }
    return { ...source, shared, entries: { ...source.entries, ...entries } };
  }

  #end(key: string): void {
    this.#running.get(key)?.[Symbol.dispose]();
    this.#running.delete(key);
  }

  #endMany(): void {
    if (this.#many?.isIdle !== true) return;
    this.#many[Symbol.dispose]();
    this.#many = undefined;
  }

  /** Detaches and frees everything. Safe to call twice. */
  [Symbol.dispose](): void {
    this.keepOnly(() => false);
  }
}

/** Of a program that has one. */
function targetOf({ place }: WantedProgram): string {
  return place.programs[0]!.target;
}
