/**
 * Sensors' objects into the kernel: probe, open, configure, load, attach. A sensor that the kernel does
 * not take is left out with the reason; the others run.
 *
 * @module
 */
import {
  type BpfLink,
  type BpfObject,
  type BpfProgramInfo,
  type Libbpf,
  possibleCpus,
  VerifierError,
} from "../../ffi/mod.ts";
import type { Sensor, SensorProgram, SensorSettings } from "../sensors/sensor.ts";
import { isKernelSince, KERNEL_FEATURES, KernelFeatures } from "./kernel_features.ts";
import { explainLoadFailure, LoadError } from "./load_error.ts";
import { type ManifestObject, readManifest, writeGlobals } from "./manifest.ts";
import type { Payload } from "./payload.ts";
import { checkSystem } from "./preflight.ts";
import { type KernelDropRow, readDropRows } from "./record_drops.ts";
import { RECORD_DROPS_MAP, RECORDS_MAP, SharedMaps } from "./shared_maps.ts";

/** The part of the agent's log that is used; `{name}` in a message stands for a property. */
export interface LoaderLog {
  warn(message: string, properties: Record<string, unknown>): void;
  debug(message: string, properties: Record<string, unknown>): void;
}

/** What `loadSensors()` needs. */
export interface LoadOptions {
  readonly libbpf: Libbpf;
  readonly payload: Pick<Payload, "read">;
  readonly sensors: readonly Sensor[];
  /** Config sections by sensor name; a missing one is empty. */
  readonly settings: Readonly<Record<string, SensorSettings>>;
  readonly log: LoaderLog;
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

/**
 * Loads the sensors, attaches nothing.
 *
 * @throws {LoadError} no sensor can be loaded.
 */
export function loadSensors(options: LoadOptions): LoadedSensors {
  checkSystem();
  const objects = readManifest(options.payload);
  const features = new KernelFeatures(options.libbpf);
  const maps = new SharedMaps(possibleCpus());
  const loaded: LoadedSensor[] = [];
  const refused: SensorReport[] = [];
  try {
    for (const sensor of options.sensors) {
      try {
        checkFeatures(sensor, features);
        loaded.push(loadSensor(sensor, objects[sensor.name], { ...options, maps }));
      } catch (cause) {
        const error = explainLoadFailure(sensor.name, cause);
        logVerifier(options.log, cause);
        if (options.sensors.length > 1) {
          const { message, hint } = error;
          options.log.warn("{message}, continuing without it", { message, hint });
        }
        refused.push(refusal(sensor, error));
      }
    }
    if (loaded.length === 0) throw refused[0]?.error ?? noSensors();
    return new LoadedSensors(loaded, refused, maps);
  } catch (error) {
    for (const { object } of loaded) object[Symbol.dispose]();
    throw error;
  }
}

/** Sensors in the kernel. Owns the objects, their maps and links. */
export class LoadedSensors {
  /** Descriptor of the perf event array; owned by an object here. */
  readonly recordsMapFd: number;
  readonly #sensors: LoadedSensor[];
  readonly #refused: SensorReport[];
  readonly #maps: SharedMaps;
  #links: BpfLink[] = [];

  constructor(sensors: LoadedSensor[], refused: SensorReport[], maps: SharedMaps) {
    this.#sensors = sensors;
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
   * be readers.
   *
   * @throws {LoadError} a required program cannot be attached; nothing stays attached.
   */
  attach(): void {
    for (const loaded of this.#sensors) {
      for (const { name, required } of loaded.sensor.programs) {
        const program = loaded.object.program(name);
        if (!program.autoload) continue;
        try {
          this.#links.push(program.attach());
        } catch (cause) {
          const error = explainLoadFailure(loaded.sensor.name, cause);
          if (required) {
            this.detach();
            throw error;
          }
          loaded.leftOut.push({ program: name, reason: error.state });
        }
      }
    }
  }

  /** Detaches all programs: no more records after it. Safe to call twice. */
  detach(): void {
    for (const link of this.#links) link[Symbol.dispose]();
    this.#links = [];
  }

  /** Records of a kind that were lost in the kernel, a row per CPU that lost some. */
  readDrops(kind: number): KernelDropRow[] {
    const map = this.#maps.get(RECORD_DROPS_MAP);
    return map === undefined ? [] : readDropRows(map, kind, possibleCpus());
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
   * Runs that the kernel skipped, by program, spares taken into account: where there is one, a run is
   * lost only when both were skipped, so the smaller count is the most it can be.
   */
  skippedRuns(): { readonly program: string; readonly count: number }[] {
    const skipped: { program: string; count: number }[] = [];
    const counts = new Map(this.programInfo().map((info) => [info.program, info.recursionMisses]));
    for (const { sensor } of this.#sensors) {
      for (const { name, spareOf } of sensor.programs) {
        if (spareOf !== undefined || !counts.has(name)) continue;
        const spares = sensor.programs.filter((program) => program.spareOf === name);
        const all = [name, ...spares.map((program) => program.name)]
          .map((program) => counts.get(program))
          .filter((count) => count !== undefined);
        skipped.push({ program: name, count: Math.min(...all.map(Number)) });
      }
    }
    return skipped;
  }

  /** Kernel memory of all maps, bytes; shared maps count once. */
  mapMemorySize(): number {
    let size = 0;
    const seen = new Set<string>();
    for (const { object } of this.#sensors) {
      for (const map of object.maps) {
        const isShared = this.#maps.get(map.name) !== undefined;
        if (isShared && seen.has(map.name)) continue;
        seen.add(map.name);
        size += map.memlockBytes();
      }
    }
    return size;
  }

  /** Detaches and frees everything. Safe to call twice. */
  [Symbol.dispose](): void {
    this.detach();
    for (const { object } of this.#sensors) object[Symbol.dispose]();
  }
}

function refusal({ name }: Sensor, error: LoadError): SensorReport {
  const reason = error.state;
  return { sensor: name, loaded: false, reason, error, programs: [], leftOut: [] };
}

interface LoadedSensor {
  readonly sensor: Sensor;
  readonly object: BpfObject;
  readonly leftOut: { readonly program: string; readonly reason: string }[];
}

function loadSensor(
  sensor: Sensor,
  entry: ManifestObject | undefined,
  options: LoadOptions & { readonly maps: SharedMaps },
): LoadedSensor {
  if (entry === undefined) {
    throw new LoadError(`sensor "${sensor.name}"`, "the program carries no object for it", {
      obstacle: "build_mismatch",
      hint: "run `deno task build`",
    });
  }
  const { libbpf, maps, settings } = options;
  const bytes = options.payload.read(`bpf/${entry.file}`);
  const leftOut: { program: string; reason: string }[] = [];
  const unneeded = sensor.programs.filter((program) => !isNeeded(program));
  const isLoadedSpare = (program: SensorProgram) =>
    program.spareOf !== undefined && isNeeded(program);
  // Each turn leaves out one more optional program, so it ends.
  for (;;) {
    const object = libbpf.openObject(bytes, sensor.name);
    try {
      const globals = sensor.globals(settings[sensor.name] ?? {});
      writeGlobals(sensor.name, globals, entry.globals, (name) => object.map(name).initialValue());
      for (const { name } of unneeded) object.program(name).setAutoload(false);
      for (const { program } of leftOut) object.program(program).setAutoload(false);
      maps.configure(object, sensor.programs.some(isLoadedSpare));
      object.load();
      maps.adopt(object);
      return { sensor, object, leftOut };
    } catch (error) {
      object[Symbol.dispose]();
      const program = optionalProgram(sensor, error);
      if (program === undefined) throw error;
      logVerifier(options.log, error);
      leftOut.push({ program, reason: explainLoadFailure(sensor.name, error).state });
    }
  }
}

/** Whether a program is for this kernel. */
function isNeeded({ since }: SensorProgram): boolean {
  return since === undefined || isKernelSince(Deno.osRelease(), since);
}

/** The program that was refused, when the sensor can do without it. */
function optionalProgram(sensor: Sensor, error: unknown): string | undefined {
  if (!(error instanceof VerifierError)) return undefined;
  const program = sensor.programs.find(({ name }) => name === error.program);
  return program?.required === false ? program.name : undefined;
}

function checkFeatures(sensor: Sensor, features: KernelFeatures): void {
  const missing = sensor.requires.find((feature) => !features.has(feature));
  if (missing !== undefined) {
    throw new LoadError(`sensor "${sensor.name}"`, `the kernel lacks ${missing}`, {
      obstacle: "not_supported",
      hint: `use ${KERNEL_FEATURES[missing].need}`,
      feature: missing,
    });
  }
  const required = sensor.programs.filter((program) => program.required).map(({ hook }) => hook);
  const [hook] = features.missingHooks(required);
  if (hook !== undefined) {
    throw new LoadError(`sensor "${sensor.name}"`, `the kernel has no hook ${hook}`, {
      obstacle: "not_supported",
      hint: "use a kernel 5.10 or newer with CONFIG_TRACEPOINTS",
      feature: hook,
    });
  }
}

/** A verifier log may have 100,000 lines; the verdict stands at the end. */
const VERIFIER_LINES_MAX = 200;

function logVerifier(log: LoaderLog, error: unknown): void {
  if (!(error instanceof VerifierError)) return;
  for (const line of error.log.trimEnd().split("\n").slice(-VERIFIER_LINES_MAX)) {
    log.debug("verifier, {program}: {line}", { program: error.program, line });
  }
}

function noSensors(): LoadError {
  return new LoadError("BPF programs", "no sensor is enabled", {
    obstacle: "other",
    hint: "enable a sensor in the config file",
  });
}
