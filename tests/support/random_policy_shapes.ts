/**
 * Hooks of random policies and calls.
 *
 * @module
 */
import type { ArgumentType, HookArgument, HookPoint } from "../../src/policy/mod.ts";

/** Arguments that policies read on a hook; all together fit into its slots. */
export interface HookShape {
  readonly point: HookPoint;
  readonly args: readonly (Omit<HookArgument, "place">)[];
  readonly returns?: ArgumentType;
}

/** Where random policies look, and random calls are made. */
export const SHAPES: readonly [HookShape, ...HookShape[]] = [
  {
    point: { kind: "syscall", name: "openat" },
    args: [
      ...[{ index: 0, type: "int32" }, { index: 1, type: "string" }] as const,
      ...[{ index: 2, type: "uint32" }, { index: 3, type: "uint16" }] as const,
    ],
    returns: "int32",
  },
  {
    point: { kind: "kprobe", name: "vfs_write" },
    args: [
      ...[{ index: 0, type: "fd" }, { index: 2, type: "uint64" }] as const,
      { index: 3, type: "nop" },
      { index: 1, type: "char_buf", sizeIndex: 2, sizeMax: 12 },
      { index: 4, type: "char_buf", sizeMax: 5 },
    ],
    returns: "int64",
  },
  {
    point: { kind: "kprobe", name: "tcp_connect" },
    args: [{ index: 0, type: "sock" }, { index: 1, type: "sockaddr" }, { index: 2, type: "int64" }],
    returns: "uint8",
  },
  {
    point: { kind: "syscall", name: "sendto" },
    args: [
      { index: 1, type: "char_buf", sizeMax: 7 },
      ...[{ index: 4, type: "sockaddr" }, { index: 0, type: "int32" }] as const,
    ],
  },
  { point: { kind: "lsm", name: "file_open" }, args: [{ index: 0, type: "file" }] },
  {
    point: { kind: "tracepoint", subsystem: "task", name: "rename" },
    args: [
      ...[{ index: 0, type: "int8" }, { index: 1, type: "uint8" }] as const,
      ...[{ index: 2, type: "int16" }, { index: 3, type: "capability" }] as const,
    ],
  },
];
