/**
 * Some programs of a BPF object in the kernel, attached, on the tables that all policies share.
 *
 * @module
 */
import {
  BPF_F_NO_PREALLOC,
  type BpfMap,
  type BpfObject,
  type BpfProgramInfo,
  type Libbpf,
} from "../../ffi/mod.ts";
import {
  explainLoadFailure,
  isKernelSince,
  LoadError,
  type ManifestObject,
  type MapEntries,
  writeGlobals,
} from "../loader/mod.ts";
import { type HookPoint, pointText } from "../policy/mod.ts";
import type { SensorGlobals } from "../sensors/mod.ts";

/**
 * Hashes that may allocate on demand. Before 6.1 the kernel warns when a kprobe program uses such a
 * map (34dd3bad1a6f).
 */
const ON_DEMAND_MAPS: readonly string[] = [
  ...["policy_numbers", "policy_texts", "policy_processes", "policy_deferrals"],
];
const ON_DEMAND_SINCE = [6, 1] as const;

/** A slot per CPU. */
const WORK_MAP = "policy_work";
const RECORDS_MAP = "records";

/** An object and how it is to be loaded. */
export interface ObjectSource {
  readonly libbpf: Libbpf;
  /** For messages: `policies`. */
  readonly name: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly entry: ManifestObject;
  readonly globals: SensorGlobals;
  /** Maps that are there already, by name. */
  readonly shared: ReadonlyMap<string, BpfMap>;
  /** Rows of the others, where they are not to be what the object says. */
  readonly entries: MapEntries;
  /** Highest number that a CPU may ever have. */
  readonly cpuIdMax: number;
  /** Kernel release, as uname(2) gives it. */
  readonly release: string;
}

/**
 * Loads these programs of an object, and its maps; attaches nothing.
 *
 * @param prepare what is to be done to the opened object before it is loaded
 * @throws {LoadError} the kernel refuses; nothing stays loaded.
 */
export function loadPart(
  source: ObjectSource,
  programs: readonly string[],
  prepare?: (object: BpfObject) => void,
): BpfObject {
  const what = `${source.name}${programs.length === 0 ? "" : ` (${programs.join(", ")})`}`;
  try {
    const object = source.libbpf.openObject(source.bytes, source.name);
    try {
      writeGlobals(
        source.name,
        source.globals,
        source.entry.globals,
        (name) => object.map(name).initialValue(),
      );
      for (const program of object.programs) {
        program.setAutoload(programs.includes(program.name));
      }
      for (const map of object.maps) configureMap(map, source);
      prepare?.(object);
      object.load();
      return object;
    } catch (error) {
      object[Symbol.dispose]();
      throw error;
    }
  } catch (error) {
    throw explainLoadFailure(what, error);
  }
}

function configureMap(map: BpfMap, { shared, entries, cpuIdMax, release }: ObjectSource): void {
  const there = shared.get(map.name);
  if (there !== undefined) {
    map.reuseFd(there.fd);
    return;
  }
  if (map.name === WORK_MAP || map.name === RECORDS_MAP) map.setMaxEntries(cpuIdMax + 1);
  const rows = entries[map.name];
  if (rows !== undefined) map.setMaxEntries(rows);
  if (ON_DEMAND_MAPS.includes(map.name) && isKernelSince(release, ON_DEMAND_SINCE)) {
    map.addFlags(BPF_F_NO_PREALLOC);
  }
}

/** Programs that run. Owns them. */
export class ProgramPart {
  readonly #object: BpfObject;
  readonly programs: readonly string[];

  /**
   * Attaches the programs in their order.
   *
   * @throws {LoadError} the kernel refuses; nothing stays loaded.
   */
  constructor(source: ObjectSource, programs: readonly string[]) {
    this.programs = programs;
    this.#object = loadPart(source, programs);
    try {
      // The links end with the object.
      for (const program of programs) this.#object.program(program).attach();
    } catch (error) {
      this[Symbol.dispose]();
      throw explainLoadFailure(`${source.name} (${programs.join(", ")})`, error);
    }
  }

  info(): (BpfProgramInfo & { readonly program: string })[] {
    return this.programs.map((program) => ({
      program,
      ...this.#object.program(program).info(),
    }));
  }

  /** Kernel memory of maps that are its own, bytes. */
  mapMemorySize(shared: ReadonlyMap<string, BpfMap>): number {
    return this.#object.maps.reduce(
      (sum, map) => shared.has(map.name) ? sum : sum + map.memlockBytes(),
      0,
    );
  }

  [Symbol.dispose](): void {
    this.#object[Symbol.dispose]();
  }
}

/** A hook that this machine or kernel does not have. */
export function hookError(point: HookPoint, state: string, hint: string): LoadError {
  return new LoadError(`hook "${pointText(point)}"`, state, {
    obstacle: "not_supported",
    hint,
    feature: point.name,
  });
}
