import type { CgroupPlace } from "../events/mod.ts";
import { RecordHeaderOffset as Header, type RecordView } from "../wire/mod.ts";

/** Where the task of a record at byte `at` lives; ids are 0 when the kernel side could not tell. */
export function readCgroupPlace(view: DataView, at: number): CgroupPlace {
  return {
    id: view.getBigUint64(at + Header.cgroupId, true),
    trackingId: view.getBigUint64(at + Header.trackingId, true),
    level: view.getUint32(at + Header.cgroupLevel, true),
    hierarchy: view.getUint32(at + Header.cgroupHierarchy, true),
  };
}

/** @throws {RangeError} the record does not have exactly `size` bytes, or its memory has less. */
export function checkSize(name: string, record: RecordView, size: number): void {
  if (record.size !== size || record.offset + size > record.view.byteLength) {
    throw new RangeError(`Cannot read record "${name}": it has ${record.size} bytes, not ${size}`);
  }
}
