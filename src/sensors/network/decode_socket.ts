import type { SocketChange, SocketChanged } from "../../events/mod.ts";
import {
  NETWORK_SOCKET_RECORD_SIZE,
  NetworkChange,
  NetworkRecordKind,
  NetworkSocketRecordOffset as Offset,
  readTuple,
  type RecordView,
} from "../../wire/mod.ts";
import { checkSize, readFactBase } from "../record_parts.ts";
import type { RecordDecoder } from "../sensor.ts";

const CHANGES: Readonly<Record<number, SocketChange>> = {
  [NetworkChange.NETWORK_CONNECT]: "connect",
  [NetworkChange.NETWORK_CONNECT_FAILED]: "connect_failed",
  [NetworkChange.NETWORK_ACCEPT]: "accept",
  [NetworkChange.NETWORK_LISTEN]: "listen",
  [NetworkChange.NETWORK_CLOSE]: "close",
};

/** From 1 (include/net/tcp_states.h). */
const STATES = [
  ...["ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "CLOSE"],
  ...["CLOSE_WAIT", "LAST_ACK", "LISTEN", "CLOSING", "NEW_SYN_RECV", "BOUND_INACTIVE"],
];

/** What sockets fail with (asm-generic/errno.h); others are told as numbers. */
const ERRORS: Readonly<Record<number, string>> = {
  1: "EPERM",
  13: "EACCES",
  32: "EPIPE",
  71: "EPROTO",
  90: "EMSGSIZE",
  92: "ENOPROTOOPT",
  95: "EOPNOTSUPP",
  97: "EAFNOSUPPORT",
  98: "EADDRINUSE",
  99: "EADDRNOTAVAIL",
  100: "ENETDOWN",
  101: "ENETUNREACH",
  102: "ENETRESET",
  103: "ECONNABORTED",
  104: "ECONNRESET",
  105: "ENOBUFS",
  110: "ETIMEDOUT",
  111: "ECONNREFUSED",
  112: "EHOSTDOWN",
  113: "EHOSTUNREACH",
};

/** Reads `struct network_socket_record`. */
export class SocketDecoder implements RecordDecoder {
  readonly kind = NetworkRecordKind.NETWORK_SOCKET_RECORD;
  readonly name = "socket_changed";

  /** @throws {RangeError} the record has another size, or values that no program writes. */
  decode(record: RecordView): SocketChanged {
    checkSize(this.name, record, NETWORK_SOCKET_RECORD_SIZE);
    const { view, offset } = record;
    const number = view.getUint16(offset + Offset.change, true);
    const change = CHANGES[number];
    const tuple = readTuple(view, offset + Offset.tuple);
    if (change === undefined || tuple === undefined) {
      throw new RangeError(`Cannot read record "${this.name}": change ${number} of no socket`);
    }
    const state = view.getUint16(offset + Offset.state, true);
    const error = view.getUint32(offset + Offset.error, true);
    return {
      ...readFactBase(record),
      type: this.name,
      change,
      cookie: view.getBigUint64(offset + Offset.cookie, true),
      tuple,
      openedNs: view.getBigUint64(offset + Offset.openedNs, true),
      counts: {
        bytesSent: view.getBigUint64(offset + Offset.bytes, true),
        bytesReceived: view.getBigUint64(offset + Offset.bytes + 8, true),
        packetsSent: view.getBigUint64(offset + Offset.packets, true),
        packetsReceived: view.getBigUint64(offset + Offset.packets + 8, true),
        retransmits: view.getUint32(offset + Offset.retransmits, true),
      },
      state: state === 0 ? "" : STATES[state - 1] ?? `${state}`,
      error: error === 0 ? "" : ERRORS[error] ?? `${error}`,
    };
  }
}
