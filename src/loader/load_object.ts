/**
 * One sensor's object into the kernel.
 *
 * @module
 */
import { type BpfObject, type Libbpf, LibbpfError, VerifierError } from "../../ffi/mod.ts";
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
  readonly features: Pick<KernelFeatures, "missingHooks">;
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
  const leftOut = missingPrograms(sensor, options);
  const unneeded = sensor.programs.filter((program) => !isNeeded(program, options.release));
  const isLoadedSpare = (program: SensorProgram) =>
    program.spareOf !== undefined && isNeeded(program, options.release);
  // Each turn leaves out one more optional program at least, so it ends.
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
      const refused = optionalPrograms(sensor, error, options.release)
        .filter((name) => leftOut.every(({ program }) => program !== name));
      if (refused.length === 0) throw error;
      logVerifierError(options.log, error);
      const { state: reason } = explainLoadFailure(`sensor "${sensor.name}"`, error);
      for (const program of refused) leftOut.push({ program, reason });
    }
  }
}

/** Whether a program is for this kernel. */
function isNeeded({ since, before }: SensorProgram, release: string): boolean {
  if (before !== undefined && isKernelSince(release, before)) return false;
  return since === undefined || isKernelSince(release, since);
}

/** Optional programs for hooks that this kernel does not have: libbpf would refuse all of them. */
function missingPrograms(
  sensor: Sensor,
  { features, release }: Pick<LoadObjectOptions, "features" | "release">,
): { program: string; reason: string }[] {
  const optional = sensor.programs
    .filter((program) => !program.required && isNeeded(program, release));
  const missing = new Set(features.missingHooks(optional.map(({ hook }) => hook)));
  return optional.filter(({ hook }) => missing.has(hook))
    .map(({ name, hook }) => ({ program: name, reason: `the kernel has no hook ${hook}` }));
}

/** Attached to functions by a trampoline, which not all kernels and architectures have. */
const TRAMPOLINE = /^(fentry|fexit)\//;

/**
 * The programs that were refused, when the sensor can do without them. Where the verifier did not
 * even begin, it is not told which; kernels without trampolines refuse so all that need one.
 */
function optionalPrograms(sensor: Sensor, error: unknown, release: string): string[] {
  const optional = sensor.programs
    .filter((program) => !program.required && isNeeded(program, release));
  if (error instanceof VerifierError) {
    return optional.filter(({ name }) => name === error.program).map(({ name }) => name);
  }
  if (!(error instanceof LibbpfError) || error.operation !== "bpf_object__load") return [];
  return optional.filter(({ hook }) => TRAMPOLINE.test(hook)).map(({ name }) => name);
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
