/**
 * BPF objects into the kernel, and what the program carries for that.
 *
 * @module
 */
export {
  type BuildInfo,
  openPayload,
  type Payload,
  PayloadError,
  type PayloadForm,
  type StartMode,
} from "./payload.ts";
