import type { ProcessForked } from "../../events/mod.ts";
import {
  PROCESS_FORK_SIZE,
  ProcessFlag,
  ProcessForkOffset as Offset,
  ProcessRecordKind,
  readProcessCredentials,
  readProcessNamespaces,
  type RecordView,
} from "../../wire/mod.ts";
import type { RecordDecoder } from "../sensor.ts";
import { checkSize, readFactBase } from "../record_parts.ts";

/** Reads `struct process_fork`. */
export class ForkDecoder implements RecordDecoder {
  readonly kind = ProcessRecordKind.PROCESS_FORK;
  readonly name = "process_fork";

  /** @throws {RangeError} the record is not of the size of a fork record. */
  decode(record: RecordView): ProcessForked {
    checkSize(this.name, record, PROCESS_FORK_SIZE);
    const { view, offset } = record;
    return {
      type: "process_forked",
      ...readFactBase(record),
      parentTgid: view.getUint32(offset + Offset.parentTgid, true),
      parentTid: view.getUint32(offset + Offset.parentTid, true),
      parentStartNs: view.getBigUint64(offset + Offset.parentStartNs, true),
      parentIsKernel: (view.getUint32(offset + Offset.processFlags, true) &
        ProcessFlag.PROCESS_PARENT_KERNEL) !== 0,
      pidNsLevel: view.getUint32(offset + Offset.pidNsLevel, true),
      credentials: readProcessCredentials(view, offset + Offset.credentials),
      namespaces: readProcessNamespaces(view, offset + Offset.namespaces),
    };
  }
}
