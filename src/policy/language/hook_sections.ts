/**
 * Keys of hooks and their arguments, one row each.
 *
 * @module
 */
import type { KeyTable, RefusedKey, Section } from "./section.ts";

const DATA: RefusedKey = {
  refused: "only arguments and what is returned are read",
  nearest: "declare the argument below args, or use matchPIDs, matchBinaries and the like",
};

const HOOK_KEYS = {
  args: { kind: "list", what: "index and type of each argument" },
  selectors: { kind: "list", what: "conditions and actions" },
  message: { kind: "text", what: "a text for the events" },
  tags: { kind: "list", what: "words for the events" },
} as const satisfies KeyTable;

/** One of `kprobes`. */
export const KPROBE: Section = {
  name: "a kprobe",
  keys: {
    call: { kind: "text", what: "a function, a system call or list:NAME", isRequired: true },
    syscall: { kind: "boolean", what: "false for functions; true when it is missing" },
    return: { kind: "boolean", what: "true: also what the call returns is told" },
    returnArg: { kind: "map", what: "index: 0 and type" },
    ...HOOK_KEYS,
    ignore: { kind: "map", what: "callNotFound" },
    returnArgAction: {
      refused: "sockets are not tracked",
      nearest: "look at the socket where it is used: type sock",
    },
    data: DATA,
  },
};

/** `ignore` of a kprobe. */
export const IGNORE: Section = {
  name: "ignore",
  keys: {
    callNotFound: { kind: "boolean", what: "true: kernels without the function load the rest" },
  },
};

/** One of `tracepoints`. */
export const TRACEPOINT: Section = {
  name: "a tracepoint",
  keys: {
    subsystem: { kind: "text", what: "such as syscalls, sched", isRequired: true },
    event: { kind: "text", what: "such as sched_process_exec", isRequired: true },
    raw: { kind: "boolean", what: "true: arguments as the kernel's code passes them" },
    ...HOOK_KEYS,
  },
};

/** One of `lsmhooks`. */
export const LSM_HOOK: Section = {
  name: "an LSM hook",
  keys: {
    hook: { kind: "text", what: "such as file_open", isRequired: true },
    ...HOOK_KEYS,
  },
};

/** One of `args`, and `returnArg`. */
export const ARGUMENT: Section = {
  name: "an argument",
  keys: {
    index: { kind: "integer", what: "which argument, from 0", isRequired: true },
    type: { kind: "text", what: "such as int, string, file", isRequired: true },
    label: { kind: "text", what: "a name for the events" },
    sizeArgIndex: { kind: "integer", what: "of char_buf: which argument has its size, from 1" },
    maxData: {
      refused: "at most 4,095 bytes of a buffer are read",
      nearest: "take it away, or bound the bytes with sizeMax",
    },
    sizeMax: { kind: "integer", what: "of char_buf: bytes read at most", isExtension: true },
    returnCopy: {
      refused: "memory that a call fills is not read",
      nearest: "hook what gets the data as an argument, such as sys_write",
    },
    resolve: {
      refused: "fields of structures are not read",
      nearest: "use a type with parts, such as file, sock, cred or linux_binprm",
    },
    source: {
      refused: "only arguments of the call are read",
      nearest: "use matchPIDs, matchBinaries, matchNamespaces or matchCapabilities",
    },
    btfType: {
      refused: "types are known by the key type",
      nearest: "use type: with one that is supported",
    },
    btfTypeModule: {
      refused: "types are known by the key type",
      nearest: "use type: with one that is supported",
    },
  },
};
