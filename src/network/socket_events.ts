/**
 * Changes of sockets as events.
 *
 * @module
 */
import type { ProcessEventBase, SocketChanged, SocketEvent, TaggedTuple } from "../events/mod.ts";

const TYPES = {
  connect: "process_connect",
  connect_failed: "process_connect",
  accept: "process_accept",
  listen: "process_listen",
  close: "process_close",
} as const satisfies Record<SocketChanged["change"], SocketEvent["type"]>;

/** The event of a fact, about the process that `base` names. */
export function socketEvent(
  fact: SocketChanged,
  base: ProcessEventBase,
  socket: TaggedTuple,
): SocketEvent {
  const { change, cookie, openedNs, timeNs, counts, state, error } = fact;
  const isClose = change === "close";
  const hasDuration = isClose || change === "connect" || change === "connect_failed";
  return {
    ...base,
    type: TYPES[change],
    isFailed: change === "connect_failed",
    cookie,
    socket,
    ...(hasDuration && openedNs > 0n && openedNs <= timeNs && { durationNs: timeNs - openedNs }),
    ...(isClose && { counts, ...(state !== "" && { state }) }),
    ...(error !== "" && { error }),
  };
}
