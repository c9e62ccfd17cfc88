/**
 * The features of this build.
 *
 * @module
 */
export type {
  KernelFeature,
  RecordDecoder,
  Sensor,
  SensorGlobals,
  SensorProgram,
  SensorSettings,
} from "./sensor.ts";
export { SENSORS } from "./generated/registry.ts";
export {
  CGROUP_CONTROLLERS,
  cgroupGlobals,
  cgroupSettings,
  type TrackedCgroups,
} from "./cgroup_globals.ts";
export { PolicyHitDecoder } from "./policy/decode_hit.ts";
