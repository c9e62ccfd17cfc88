/**
 * One sensor's object into the kernel.
 *
 * @module
 */
import { type BpfObject, type Libbpf, VerifierError } from "../../ffi/mod.ts";
import type { Sensor, SensorProgram, SensorSettings } from "../sensors/sensor.ts";
import { isKernelSince, KERNEL_FEATURES, type KernelFeatures } from "./kernel_features.ts";
import { explainLoadFailure, LoadError } from "./load_error.ts";
import { type ManifestObject, writeGlobals } from "./manifest.ts";
import type { Payload } from "./payload.ts";
import type { SharedMaps } from "./shared_maps.ts";

/** The part of the agent's log that is used; `{name}` in a message stands for a property. */
export interface LoaderLog {
  warn(message: string, properties: Record<string, unknown>): void;
  debug(message: string, properties: Record<string, unknown>): void;
}

/** What `loadObject()` works with. */
export interface LoadObjectOptions {
  readonly libbpf: Libbpf;
  readonly payload: Pick<Payload, "read">;
  readonly settings: SensorSettings;
  readonly maps: SharedMaps;
  /** Kernel release, as uname(2) gives it. */
  readonly release: string;
  readonly log: LoaderLog;
}

/** A sensor whose object is in the kernel. */
export interface LoadedSensor {
  readonly sensor: Sensor;
  readonly object: BpfObject;
  readonly leftOut: { readonly program: string; readonly reason: string }[];
}

/**
 * Opens, configures and loads the object of a sensor. Optional programs that the kernel refuses are
 * left out.
 *
 * @throws {LoadError | LibbpfError} the sensor cannot be had here.
 */
export function loadObject(
  sensor: Sensor,
  entry: ManifestObject | undefined,
  options: LoadObjectOptions,
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
  const unneeded = sensor.programs.filter((program) => !isNeeded(program, options.release));
  const isLoadedSpare = (program: SensorProgram) =>
    program.spareOf !== undefined && isNeeded(program, options.release);
  // Each turn leaves out one more optional program, so it ends.
  for (;;) {
    const object = libbpf.openObject(bytes, sensor.name);
    try {
      const globals = sensor.globals(settings);
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
      if (program === undefined || leftOut.some((out) => out.program === program)) throw error;
      logVerifierError(options.log, error);
      leftOut.push({ program, reason: explainLoadFailure(`sensor "${sensor.name}"`, error).state });
    }
  }
}

/** Whether a program is for this kernel. */
function isNeeded({ since }: SensorProgram, release: string): boolean {
  return since === undefined || isKernelSince(release, since);
}

/** The program that was refused, when the sensor can do without it. */
function optionalProgram(sensor: Sensor, error: unknown): string | undefined {
  if (!(error instanceof VerifierError)) return undefined;
  const program = sensor.programs.find(({ name }) => name === error.program);
  return program?.required === false ? program.name : undefined;
}

/** @throws {LoadError} the kernel lacks a feature or hook that the sensor requires. */
export function checkFeatures(
  sensor: Sensor,
  features: Pick<KernelFeatures, "has" | "missingHooks">,
): void {
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

/** Writes the log of a refused program at level debug; other errors have none. */
export function logVerifierError(log: LoaderLog, error: unknown): void {
  if (!(error instanceof VerifierError)) return;
  for (const line of error.log.trimEnd().split("\n").slice(-VERIFIER_LINES_MAX)) {
    log.debug("verifier, {program}: {line}", { program: error.program, line });
  }
}
