import type { CgroupPlace, FactBase } from "../events/mod.ts";
import { RecordHeaderOffset as Header, type RecordView } from "../wire/mod.ts";

/** What the header of every record says. */
export function readFactBase({ view, offset, timeNs }: RecordView): FactBase {
  return {
    timeNs,
    cpu: view.getUint32(offset + Header.cpu, true),
    tgid: view.getUint32(offset + Header.tgid, true),
    tid: view.getUint32(offset + Header.tid, true),
    namespaceTgid: view.getUint32(offset + Header.namespaceTgid, true),
    leaderStartNs: view.getBigUint64(offset + Header.leaderStartNs, true),
    cgroup: readCgroupPlace(view, offset),
  };
}

/** @throws {RangeError} the record does not have exactly `size` bytes, or its memory has less. */
export function checkSize(name: string, record: RecordView, size: number): void {
  if (record.size !== size || record.offset + size > record.view.byteLength) {
    throw new RangeError(`Cannot read record "${name}": it has ${record.size} bytes, not ${size}`);
  }
}

/** Where the task of a record at byte `at` lives; ids are 0 when the kernel side could not tell. */
function readCgroupPlace(view: DataView, at: number): CgroupPlace {
  return {
    id: view.getBigUint64(at + Header.cgroupId, true),
    trackingId: view.getBigUint64(at + Header.trackingId, true),
    level: view.getUint32(at + Header.cgroupLevel, true),
    hierarchy: view.getUint32(at + Header.cgroupHierarchy, true),
  };
}
