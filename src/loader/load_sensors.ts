/**
 * Sensors' objects into the kernel: probe, open, configure, load, attach. A sensor that the kernel
 * does not take is left out with the reason; the others run.
 *
 * @module
 */
import { type BpfMap, type BpfProgramInfo, type Libbpf, possibleCpus } from "../../ffi/mod.ts";
import type { Sensor, SensorSettings } from "../sensors/sensor.ts";
import { AttachedLinks, type LostHook } from "./attached_links.ts";
import { type CgroupRoot, openCgroupRoot } from "./cgroup_root.ts";
import { KernelFeatures } from "./kernel_features.ts";
import { explainLoadFailure, LoadError } from "./load_error.ts";
import {
  checkFeatures,
  type LoadedSensor,
  type LoaderLog,
  loadObject,
  logVerifierError,
} from "./load_object.ts";
import { readManifest } from "./manifest.ts";
import type { Payload } from "./payload.ts";
import { checkSystem } from "./preflight.ts";
import { type KernelDropRow, readDropRows } from "./record_drops.ts";
import { type MapEntries, RECORD_DROPS_MAP, RECORDS_MAP, SharedMaps } from "./shared_maps.ts";

/** What `loadSensors()` needs. */
export interface LoadOptions {
  readonly libbpf: Libbpf;
  readonly payload: Pick<Payload, "read">;
  readonly sensors: readonly Sensor[];
  /** Config sections by sensor name; a missing one is empty. */
  readonly settings: Readonly<Record<string, SensorSettings>>;
  readonly log: LoaderLog;
  /** Rows of maps by name, where they are not to be what the objects say. */
  readonly mapEntries?: MapEntries;
  /** The running system, unless a test has another. */
  readonly system?: LoaderSystem;
}

/** What is asked of the system before and beside the load. */
export interface LoaderSystem {
  readonly features: Pick<KernelFeatures, "has" | "missingHooks">;
  /** Kernel release, as uname(2) gives it. */
  readonly release: string;
  /** Numbers of the CPUs that may ever run. */
  readonly possibleCpus: readonly number[];
  /** @throws {LoadError} nothing can be loaded here. */
  check(): void;
  /** The root of the cgroup v2 tree. @throws {LibcError | LoadError} it cannot be had. */
  openCgroupRoot(): CgroupRoot;
}

/** The running system. */
function hostSystem(libbpf: Libbpf): LoaderSystem {
  return {
    features: new KernelFeatures(libbpf),
    release: Deno.osRelease(),
    possibleCpus: possibleCpus(),
    check: checkSystem,
    openCgroupRoot,
  };
}

/** How a sensor fared. */
export interface SensorReport {
  readonly sensor: string;
  readonly loaded: boolean;
  /** Why it was left out, without what and how: "the kernel has no hook ...". */
  readonly reason?: string;
  /** The same with hint and cause. */
  readonly error?: LoadError;
  /** Programs in the kernel. */
  readonly programs: readonly string[];
  /** Programs the sensor does without here, with the reason. */
  readonly leftOut: readonly { readonly program: string; readonly reason: string }[];
}

/** A program's counts; see `BpfProgramInfo`. */
export interface ProgramCounts extends BpfProgramInfo {
  readonly sensor: string;
  readonly program: string;
}

/** What one map takes. */
export interface MapUsage {
  readonly sensor: string;
  readonly map: string;
  readonly maxEntries: number;
  /** Kernel memory, bytes. */
  readonly memorySize: number;
}

/**
 * Loads the sensors, attaches nothing.
 *
 * @throws {LoadError} no sensor can be loaded, or only optional ones.
 */
export function loadSensors(options: LoadOptions): LoadedSensors {
  const { libbpf, payload, log } = options;
  const system = options.system ?? hostSystem(libbpf);
  system.check();
  const objects = readManifest(payload);
  const maps = new SharedMaps(system.possibleCpus, options.mapEntries);
  const loaded: LoadedSensor[] = [];
  const refused: SensorReport[] = [];
  try {
    for (const sensor of options.sensors) {
      try {
        checkFeatures(sensor, system.features);
        const settings = options.settings[sensor.name] ?? {};
        const { release, features } = system;
        const parts = { libbpf, payload, log, settings, maps, release, features };
        loaded.push(loadObject(sensor, objects[sensor.name], parts));
      } catch (cause) {
        const error = explainLoadFailure(`sensor "${sensor.name}"`, cause);
        logVerifierError(log, cause);
        if (options.sensors.length > 1) {
          const { message, hint } = error;
          log.warn("{message}, continuing without it", { message, hint });
        }
        refused.push(refusal(sensor, error));
      }
    }
    if (loaded.every(({ sensor }) => sensor.isOptional)) throw worstOf(refused, options.sensors);
    return new LoadedSensors(loaded, refused, maps, system);
  } catch (error) {
    for (const { object } of loaded) object[Symbol.dispose]();
    throw explainLoadFailure("BPF programs", error);
  }
}

/** Sensors in the kernel. Owns the objects, their maps and links. */
export class LoadedSensors {
  /** Descriptor of the perf event array; owned by an object here. */
  readonly recordsMapFd: number;
  readonly #sensors: LoadedSensor[];
  readonly #refused: SensorReport[];
  readonly #maps: SharedMaps;
  readonly #system: Pick<LoaderSystem, "possibleCpus" | "openCgroupRoot">;
  readonly #links = new AttachedLinks();

  constructor(
    sensors: LoadedSensor[],
    refused: SensorReport[],
    maps: SharedMaps,
    system: Pick<LoaderSystem, "possibleCpus" | "openCgroupRoot">,
  ) {
    this.#sensors = sensors;
    this.#system = system;
    this.#refused = refused;
    this.#maps = maps;
    const records = maps.get(RECORDS_MAP);
    if (records === undefined) throw new TypeError(`No object has the map "${RECORDS_MAP}"`);
    this.recordsMapFd = records.fd;
  }

  /** All sensors asked for. */
  get report(): readonly SensorReport[] {
    const loaded = this.#sensors.map(({ sensor, object, leftOut }) => ({
      sensor: sensor.name,
      loaded: true,
      programs: object.programs.filter((program) => program.autoload).map(({ name }) => name),
      leftOut,
    }));
    return [...loaded, ...this.#refused];
  }

  /**
   * Attaches all programs, each sensor's in its own order. Records flow from here on, so there must
   * be readers. An optional sensor that cannot be attached is left out.
   *
   * @throws {LoadError} a required program cannot be attached; nothing stays attached.
   */
  attach(): void {
    using place = new AttachPlace(this.#system);
    for (const loaded of this.#sensors) {
      const links = new AttachedLinks();
      try {
        attachSensor(loaded, place, links, this.#system);
        this.#links.take(links);
      } catch (error) {
        links.detach();
        if (loaded.sensor.isOptional !== true) {
          this.detach();
          throw error;
        }
      }
    }
  }

  /** Detaches all programs: no more records after it. Safe to call twice. */
  detach(): void {
    this.#links.detach();
  }

  /** Whether a program runs. */
  isAttached(program: string): boolean {
    return this.#links.has(program);
  }

  /** Programs that somebody else has detached or replaced since the last call. */
  checkLinks(reattach: boolean): LostHook[] {
    return this.#links.check(reattach);
  }

  /** A map of one sensor alone; undefined when the sensor is not loaded. */
  sensorMap(sensor: string, name: string): BpfMap | undefined {
    return this.#sensors.find((loaded) => loaded.sensor.name === sensor)?.object.map(name);
  }

  /** A map that all objects share; lives as long as this does. */
  sharedMap(name: string): BpfMap | undefined {
    return this.#maps.get(name);
  }

  /**
   * Runs a program that is not attached and gives row 0 of the map that it fills; undefined when
   * the program is not loaded. `input` is written to that row before.
   *
   * @throws {LibbpfError} the kernel cannot run it.
   */
  runProgram(
    name: string,
    mapName: string,
    input?: Uint8Array<ArrayBuffer>,
  ): Uint8Array<ArrayBuffer> | undefined {
    for (const { sensor, object } of this.#sensors) {
      if (!sensor.programs.some((program) => program.name === name)) continue;
      const program = object.program(name);
      if (!program.autoload) return undefined;
      const [map, row] = [object.map(mapName), new Uint8Array(4)];
      if (input !== undefined) map.update(row, input);
      program.testRun();
      return map.lookup(row) ?? undefined;
    }
    return undefined;
  }

  /**
   * Opens an iterator for the caller to read and close; undefined when the program is not loaded.
   *
   * @throws {LibbpfError} the kernel refuses.
   */
  openIterator(name: string): number | undefined {
    for (const { sensor, object } of this.#sensors) {
      if (!sensor.programs.some((program) => program.name === name)) continue;
      const program = object.program(name);
      if (!program.autoload) return undefined;
      using link = program.attach();
      return link.openIterator();
    }
    return undefined;
  }

  /** Records of a kind that were lost in the kernel, a row per CPU that lost some. */
  readDrops(kind: number): KernelDropRow[] {
    const map = this.#maps.get(RECORD_DROPS_MAP);
    return map === undefined ? [] : readDropRows(map, kind, this.#system.possibleCpus);
  }

  /** What the kernel counts about each program. */
  programInfo(): ProgramCounts[] {
    return this.#sensors.flatMap(({ sensor, object }) =>
      object.programs.filter((program) => program.autoload).map((program) => ({
        sensor: sensor.name,
        program: program.name,
        ...program.info(),
      }))
    );
  }

  /**
   * Runs that the kernel skipped, by program, spares taken into account: where there is one, a run
   * is lost only when both were skipped, so the smaller count is the most it can be.
   */
  skippedRuns(): { readonly program: string; readonly count: number }[] {
    const skipped: { program: string; count: number }[] = [];
    const counts = new Map(this.programInfo().map((info) => [info.program, info.recursionMisses]));
    for (const { sensor } of this.#sensors) {
      for (const { name, spareOf, isRepeated } of sensor.programs) {
        if (spareOf !== undefined || isRepeated === true || !counts.has(name)) continue;
        const spares = sensor.programs.filter((program) => program.spareOf === name);
        const all = [name, ...spares.map((program) => program.name)]
          .map((program) => counts.get(program))
          .filter((count) => count !== undefined);
        skipped.push({ program: name, count: Math.min(...all.map(Number)) });
      }
    }
    return skipped;
  }

  /** All maps; those that sensors share are told once, under the first that has them. */
  mapUsage(): MapUsage[] {
    const usage: MapUsage[] = [];
    const seen = new Set<string>();
    for (const { sensor, object } of this.#sensors) {
      for (const map of object.maps) {
        const isShared = this.#maps.get(map.name) !== undefined;
        if (isShared && seen.has(map.name)) continue;
        seen.add(map.name);
        const { name, maxEntries } = map;
        usage.push({ sensor: sensor.name, map: name, maxEntries, memorySize: map.memlockBytes() });
      }
    }
    return usage;
  }

  /** Kernel memory of all maps, bytes. */
  mapMemorySize(): number {
    return this.mapUsage().reduce((sum, { memorySize }) => sum + memorySize, 0);
  }

  /** Detaches and frees everything. Safe to call twice. */
  [Symbol.dispose](): void {
    this.detach();
    for (const { object } of this.#sensors) object[Symbol.dispose]();
  }
}

/**
 * Attaches the programs of a sensor and adds their links to `links`, by program.
 *
 * @throws {LoadError} a required program cannot be attached; those before it are in `links`.
 */
function attachSensor(
  { sensor, object, leftOut }: LoadedSensor,
  place: AttachPlace,
  links: AttachedLinks,
  system: Pick<LoaderSystem, "openCgroupRoot">,
): void {
  for (const { name, required, isRunByAgent, attachTo } of sensor.programs) {
    const program = object.program(name);
    if (!program.autoload || isRunByAgent === true) continue;
    try {
      let isFirst = true;
      links.add(name, () => {
        if (attachTo === undefined) return program.attach();
        if (isFirst) return isFirst = false, program.attachCgroup(place.cgroupRootFd());
        using again = new AttachPlace(system);
        return program.attachCgroup(again.cgroupRootFd());
      });
    } catch (cause) {
      const error = explainLoadFailure(`sensor "${sensor.name}"`, cause);
      leftOut.push({ program: name, reason: error.state });
      if (required) throw error;
    }
  }
}

/** Where programs are attached that need a place; opened when the first one does. */
class AttachPlace {
  readonly #system: Pick<LoaderSystem, "openCgroupRoot">;
  #root: CgroupRoot | undefined;

  constructor(system: Pick<LoaderSystem, "openCgroupRoot">) {
    this.#system = system;
  }

  cgroupRootFd(): number {
    this.#root ??= this.#system.openCgroupRoot();
    return this.#root.fd;
  }

  /** Links keep what they are attached to. */
  [Symbol.dispose](): void {
    this.#root?.[Symbol.dispose]();
  }
}

/** The error to give when what was loaded is of no use alone. */
function worstOf(refused: readonly SensorReport[], sensors: readonly Sensor[]): LoadError {
  const optional = new Set(sensors.filter(({ isOptional }) => isOptional).map(({ name }) => name));
  const worst = refused.find(({ sensor }) => !optional.has(sensor)) ?? refused[0];
  return worst?.error ?? noSensors();
}

function refusal({ name }: Sensor, error: LoadError): SensorReport {
  const reason = error.state;
  return { sensor: name, loaded: false, reason, error, programs: [], leftOut: [] };
}

function noSensors(): LoadError {
  return new LoadError("BPF programs", "no sensor is enabled", {
    obstacle: "other",
    hint: "enable a sensor in the config file",
  });
}
