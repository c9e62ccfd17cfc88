/**
 * The namespaces of the host's first process, as the kernel knows them: /proc/1 of a container is
 * another process, and of a host it may not be readable.
 *
 * @module
 */
import { type ProcessNamespaces, readProcessNamespaces } from "../wire/mod.ts";
import type { LoadedSensors } from "./load_sensors.ts";

/**
 * Asks the kernel side now; undefined when it has no program for that. 0 stands for a kind of
 * namespace that this kernel does not have.
 *
 * @throws {LibbpfError} the kernel cannot run it.
 */
export function readKernelNamespaces(
  sensors: Pick<LoadedSensors, "runProgram">,
): ProcessNamespaces | undefined {
  const row = sensors.runProgram("read_host_namespaces", "host_namespaces");
  if (row === undefined) return undefined;
  const found = readProcessNamespaces(new DataView(row.buffer), 0);
  return found.user === 0 || found.mnt === 0 ? undefined : found;
}
