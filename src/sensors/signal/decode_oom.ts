import type { OomKilled } from "../../events/mod.ts";
import {
  type RecordView,
  SIGNAL_OOM_SIZE,
  SignalOomOffset as Offset,
  SignalRecordKind,
} from "../../wire/mod.ts";
import { checkSize, readFactBase } from "../record_parts.ts";
import type { RecordDecoder } from "../sensor.ts";

/** Reads `struct signal_oom`. */
export class OomDecoder implements RecordDecoder {
  readonly kind = SignalRecordKind.SIGNAL_OOM_RECORD;
  readonly name = "oom_kill";

  /** @throws {RangeError} the record is not of the size of one. */
  decode(record: RecordView): OomKilled {
    checkSize(this.name, record, SIGNAL_OOM_SIZE);
    const { view, offset } = record;
    const fact = { type: "oom_killed", ...readFactBase(record) } as const;
    const cgroupId = view.getBigUint64(offset + Offset.limitCgroupId, true);
    if (cgroupId === 0n) return fact;
    const pageSize = BigInt(view.getUint32(offset + Offset.pageSize, true));
    return {
      ...fact,
      memory: {
        cgroupId,
        cgroupLevel: view.getUint32(offset + Offset.limitCgroupLevel, true),
        hierarchy: view.getUint32(offset + Offset.limitHierarchy, true),
        limitBytes: view.getBigUint64(offset + Offset.limitPages, true) * pageSize,
        usageBytes: view.getBigUint64(offset + Offset.usagePages, true) * pageSize,
      },
    };
  }
}
