import type { ProcessExited } from "../../events/mod.ts";
import {
  PROCESS_EXIT_SIZE,
  ProcessExitOffset as Offset,
  ProcessRecordKind,
  type RecordView,
} from "../../wire/mod.ts";
import type { RecordDecoder } from "../sensor.ts";
import { checkSize, readFactBase } from "../record_parts.ts";

/** Reads `struct process_exit`. */
export class ExitDecoder implements RecordDecoder {
  readonly kind = ProcessRecordKind.PROCESS_EXIT;
  readonly name = "process_exit";

  /** @throws {RangeError} the record is not of the size of an exit record. */
  decode(record: RecordView): ProcessExited {
    checkSize(this.name, record, PROCESS_EXIT_SIZE);
    const { view, offset } = record;
    return {
      type: "process_exited",
      ...readFactBase(record),
      exitCode: view.getUint32(offset + Offset.exitCode, true),
      lastTid: view.getUint32(offset + Offset.lastTid, true),
    };
  }
}
