import type { DnsSeen } from "../../events/mod.ts";
import {
  NETWORK_DNS_RECORD_SIZE,
  NetworkDnsFlag,
  NetworkDnsRecordOffset as Offset,
  NetworkRecordKind,
  readTuple,
  type RecordView,
} from "../../wire/mod.ts";
import { checkSize, readFactBase } from "../record_parts.ts";
import type { RecordDecoder } from "../sensor.ts";

/** Reads `struct network_dns_record` and the packet behind it. */
export class DnsDecoder implements RecordDecoder {
  readonly kind = NetworkRecordKind.NETWORK_DNS_RECORD;
  readonly name = "dns_seen";

  /** @throws {RangeError} the sizes do not fit the record or one another. */
  decode(record: RecordView): DnsSeen {
    const { view, bytes, offset } = record;
    if (record.size < NETWORK_DNS_RECORD_SIZE) {
      checkSize(this.name, record, NETWORK_DNS_RECORD_SIZE);
    }
    const included = view.getUint32(offset + Offset.includedSize, true);
    checkSize(this.name, record, NETWORK_DNS_RECORD_SIZE + included);
    const size = view.getUint32(offset + Offset.packetSize, true);
    const payloadAt = view.getUint32(offset + Offset.payloadOffset, true);
    const tuple = readTuple(view, offset + Offset.tuple);
    if (tuple === undefined || payloadAt > size || included > size) {
      throw new RangeError(`Cannot read record "${this.name}": payload at ${payloadAt} of ${size}`);
    }
    const flags = view.getUint32(offset + Offset.flags, true);
    const packetAt = offset + NETWORK_DNS_RECORD_SIZE;
    return {
      ...readFactBase(record),
      type: this.name,
      cookie: view.getBigUint64(offset + Offset.cookie, true),
      tuple,
      isOutgoing: (flags & NetworkDnsFlag.NETWORK_DNS_SENT) !== 0,
      // A copy: the record's memory is used again.
      payload: new Uint8Array(
        bytes.slice(packetAt + Math.min(payloadAt, included), packetAt + included),
      ),
      sequence: view.getUint32(offset + Offset.sequence, true),
      isStart: (flags & NetworkDnsFlag.NETWORK_DNS_START) !== 0,
      isEnd: (flags & NetworkDnsFlag.NETWORK_DNS_END) !== 0,
      size: size - payloadAt,
      segmentSize: view.getUint32(offset + Offset.segmentSize, true),
    };
  }
}
