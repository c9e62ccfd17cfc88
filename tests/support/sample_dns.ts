/**
 * Facts about DNS for tests: a process at 10.0.0.2 asks the name server at 10.0.0.1.
 *
 * @module
 */
import type { DnsSeen, SocketTuple } from "../../src/events/mod.ts";
import { encodeMessage, labels, type MessageSpec } from "./dns_encoder.ts";

/** As the client's socket has it. */
export const CLIENT_TUPLE: SocketTuple = {
  family: 4,
  protocol: "udp",
  local: { address: "10.0.0.2", port: 40_000 },
  remote: { address: "10.0.0.1", port: 53 },
  netNs: 1,
};

/** The same from the other end. */
export function otherEnd(tuple: SocketTuple): SocketTuple {
  return { ...tuple, local: tuple.remote, remote: tuple.local };
}

/** A datagram that the client sends. */
export function dnsSeen(payload: Uint8Array, fields: Partial<DnsSeen> = {}): DnsSeen {
  return {
    type: "dns_seen",
    timeNs: 1_000_000_000n,
    cpu: 0,
    tgid: 100,
    tid: 100,
    namespaceTgid: 100,
    leaderStartNs: 5n,
    cgroup: { id: 77n, trackingId: 77n, level: 2, hierarchy: 0 },
    cookie: 1n,
    tuple: CLIENT_TUPLE,
    isOutgoing: true,
    payload,
    sequence: 0,
    isStart: false,
    isEnd: false,
    size: payload.length,
    segmentSize: 0,
    ...fields,
  };
}

/** Question for the address of a name. */
export function queryOf(name: string, fields: MessageSpec = {}): Uint8Array<ArrayBuffer> {
  const questions = [{ name: labels(name), type: 1 }];
  return encodeMessage({ id: 7, flags: 0x0100, questions, ...fields });
}

/** Answer with addresses, of the name itself. */
export function answerOf(
  name: string,
  addresses: readonly string[],
  fields: MessageSpec = {},
): Uint8Array<ArrayBuffer> {
  return encodeMessage({
    id: 7,
    flags: 0x8180,
    questions: [{ name: labels(name), type: 1 }],
    answers: addresses.map((address) => ({
      name: labels(name),
      type: 1,
      ttl: 600,
      data: [Uint8Array.from(address.split("."), Number)],
    })),
    ...fields,
  });
}
