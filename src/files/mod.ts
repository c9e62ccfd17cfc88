/**
 * Files whose content the agent obeys, and opening what stands at a path without waiting.
 *
 * @module
 */
export * from "./open_regular.ts";
export * from "./trusted_file.ts";
export * from "./trusted_path.ts";
export { UntrustedError } from "./untrusted_error.ts";
