import type { ProcessSignaled } from "../../events/mod.ts";
import {
  type RecordView,
  SIGNAL_SENT_SIZE,
  SignalFlag,
  SignalRecordKind,
  SignalSentOffset as Offset,
} from "../../wire/mod.ts";
import { checkSize, readFactBase } from "../record_parts.ts";
import type { RecordDecoder } from "../sensor.ts";

/** Reads `struct signal_sent`. */
export class SignalDecoder implements RecordDecoder {
  readonly kind = SignalRecordKind.SIGNAL_SENT_RECORD;
  readonly name = "process_signal";

  /** @throws {RangeError} the record is not of the size of one. */
  decode(record: RecordView): ProcessSignaled {
    checkSize(this.name, record, SIGNAL_SENT_SIZE);
    const { view, offset } = record;
    const flags = view.getUint32(offset + Offset.signalFlags, true);
    const senderTgid = view.getUint32(offset + Offset.senderTgid, true);
    return {
      type: "process_signaled",
      ...readFactBase(record),
      signal: view.getUint32(offset + Offset.signal, true),
      code: view.getInt32(offset + Offset.code, true),
      ...(senderTgid !== 0 && {
        sender: {
          tgid: senderTgid,
          tid: view.getUint32(offset + Offset.senderTid, true),
          leaderStartNs: view.getBigUint64(offset + Offset.senderStartNs, true),
          isUnsure: (flags & SignalFlag.SIGNAL_SENDER_UNSURE) !== 0,
        },
      }),
      isFatal: (flags & SignalFlag.SIGNAL_FATAL) !== 0,
      isToThread: (flags & SignalFlag.SIGNAL_TO_THREAD) !== 0,
      fate: fateOf(flags),
    };
  }
}

function fateOf(flags: number): ProcessSignaled["fate"] {
  if ((flags & SignalFlag.SIGNAL_IGNORED) !== 0) return "ignored";
  if ((flags & SignalFlag.SIGNAL_PENDING) !== 0) return "pending_already";
  if ((flags & SignalFlag.SIGNAL_LOST) !== 0) return "queue_full";
  return (flags & SignalFlag.SIGNAL_BLOCKED) !== 0 ? "blocked" : "delivered";
}
