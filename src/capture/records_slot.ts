/**
 * The `records` map of the BPF programs: CPU number to the perf event that takes its records.
 *
 * @module
 */
import type { MapElements } from "../../ffi/mod.ts";

/** Sends the records of `cpu` to that event. The kernel swaps atomically; none is lost by it. */
export function setRecordsSlot(
  elements: MapElements,
  recordsMapFd: number,
  cpu: number,
  eventFd: number,
): void {
  elements.update(recordsMapFd, encodeU32(cpu), encodeU32(eventFd));
}

/** Records of `cpu` have no ring from now on; BPF counts them as DROP_NO_RING. */
export function clearRecordsSlot(elements: MapElements, recordsMapFd: number, cpu: number): void {
  elements.delete(recordsMapFd, encodeU32(cpu));
}

/** Map keys and values are in the machine's byte order. */
function encodeU32(value: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new Uint32Array([value]).buffer);
}
