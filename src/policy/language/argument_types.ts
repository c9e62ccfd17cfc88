/**
 * The types of arguments, one row each: what they are called, where they can be, and how their
 * values are compared.
 *
 * @module
 */
import type { ArgumentType, HookPoint } from "../model.ts";
import { CAPABILITIES } from "./kernel_words.ts";
import type { NumberForm, ValueForm } from "./value_form.ts";

/** A kind of hook. */
export type HookKind = HookPoint["kind"];

/** A type that is read. */
export interface ArgumentTypeRow {
  readonly type: ArgumentType;
  /** Its names in policies, the usual one first. */
  readonly names: readonly string[];
  readonly what: string;
  readonly hooks: readonly HookKind[];
  /** Also a call can return it. */
  readonly canReturn: boolean;
  /** Published names of operators, see `operators.ts`. */
  readonly operators: readonly string[];
  /** What the operators that compare the whole value want. */
  readonly form?: ValueForm;
  /** What compares it, where no operator does. */
  readonly nearest?: string;
}

const NUMBER_OPERATORS = [
  ...["Equal", "NotEqual", "GreaterThan", "LessThan", "Mask"],
  ...["InRange", "NotInRange", "InMap", "NotInMap"],
];
/** Of numbers that are names: their bits mean nothing. */
const WORD_OPERATORS = NUMBER_OPERATORS.filter((name) => name !== "Mask");
const TEXT_OPERATORS = ["Equal", "NotEqual", "Prefix", "NotPrefix", "Postfix", "NotPostfix"];
/** Of an address there is one address and one port, whichever end a policy calls it. */
const ADDRESS_OPERATORS = [
  ...["SAddr", "NotSAddr", "DAddr", "NotDAddr", "SPort", "NotSPort", "DPort", "NotDPort"],
  ...["SClass", "NotSClass", "DClass", "NotDClass"],
  ...["SPortPriv", "NotSPortPriv", "DPortPriv", "NotDPortPriv", "Family"],
];
const SOCKET_OPERATORS = [...ADDRESS_OPERATORS, "Protocol", "State"];

const EVERYWHERE: readonly HookKind[] = [
  "syscall",
  "kprobe",
  "tracepoint",
  "raw_tracepoint",
  "lsm",
];
/** Where the kernel's own objects are arguments: a system call has memory of the caller's. */
const IN_KERNEL: readonly HookKind[] = ["kprobe", "tracepoint", "raw_tracepoint", "lsm"];

function number(
  type: ArgumentType,
  names: readonly string[],
  form: Omit<NumberForm, "kind">,
): ArgumentTypeRow {
  const sign = form.isSigned ? "with" : "without";
  return {
    type,
    names,
    what: `${form.bits} bits ${sign} sign`,
    hooks: EVERYWHERE,
    canReturn: true,
    operators: NUMBER_OPERATORS,
    form: { kind: "number", ...form },
  };
}

function text(
  type: ArgumentType,
  what: string,
  hooks: readonly HookKind[] = EVERYWHERE,
): ArgumentTypeRow {
  return {
    type,
    names: [type],
    what,
    hooks,
    canReturn: false,
    operators: TEXT_OPERATORS,
    form: { kind: "text" },
  };
}

/** A text that the kernel has made of a file. */
function filePath(
  type: ArgumentType,
  what: string,
  hooks: readonly HookKind[] = IN_KERNEL,
): ArgumentTypeRow {
  return { ...text(type, what, hooks), form: { kind: "text", isPath: true } };
}

/** Every type. */
export const ARGUMENT_TYPES: readonly ArgumentTypeRow[] = [
  number("int32", ["int", "int32", "sint32"], { bits: 32, isSigned: true }),
  number("uint32", ["uint32", "uint"], { bits: 32, isSigned: false }),
  number("int64", ["long", "int64", "sint64"], { bits: 64, isSigned: true }),
  number("uint64", ["uint64", "ulong"], { bits: 64, isSigned: false }),
  number("size", ["size_t"], { bits: 64, isSigned: false }),
  number("int16", ["int16", "sint16"], { bits: 16, isSigned: true }),
  number("uint16", ["uint16"], { bits: 16, isSigned: false }),
  number("int8", ["int8", "sint8"], { bits: 8, isSigned: true }),
  number("uint8", ["uint8"], { bits: 8, isSigned: false }),
  text("string", "text that ends with a zero byte"),
  text("char_buf", "bytes; sizeArgIndex says which argument has their number"),
  filePath("fd", "a descriptor, compared by the path of its file", EVERYWHERE),
  filePath("file", "struct file, by its path"),
  filePath("path", "struct path, by its path"),
  filePath("linux_binprm", "struct linux_binprm, by the path of the program"),
  {
    type: "sock",
    names: ["sock"],
    what: "struct sock",
    hooks: IN_KERNEL,
    canReturn: false,
    operators: SOCKET_OPERATORS,
  },
  {
    type: "sockaddr",
    names: ["sockaddr"],
    what: "struct sockaddr",
    hooks: EVERYWHERE,
    canReturn: false,
    operators: ADDRESS_OPERATORS,
  },
  {
    type: "cred",
    names: ["cred"],
    what: "struct cred",
    hooks: IN_KERNEL,
    canReturn: false,
    operators: [],
    nearest: "use matchCapabilities",
  },
  {
    type: "capability",
    names: ["capability"],
    what: "the number of a capability",
    hooks: IN_KERNEL,
    canReturn: false,
    operators: WORD_OPERATORS,
    form: { kind: "number", bits: 6, isSigned: false, words: CAPABILITIES, name: "capability" },
  },
  {
    type: "syscall64",
    names: ["syscall64"],
    what: "the number of a system call",
    hooks: ["tracepoint", "raw_tracepoint"],
    canReturn: false,
    operators: WORD_OPERATORS,
    form: { kind: "number", bits: 64, isSigned: false, hasSyscalls: true },
  },
  {
    type: "nop",
    names: ["nop"],
    what: "an argument that is not read",
    hooks: EVERYWHERE,
    canReturn: false,
    operators: [],
    nearest: "give the argument the type it has",
  },
];

/** A type of the published form that is not read. */
export interface RefusedType {
  readonly reason: string;
  readonly nearest: string;
}

const NO_STRUCTURE = "this structure is not read";

/** Types that are refused, by name. */
export const REFUSED_TYPES: Readonly<Record<string, RefusedType>> = {
  auto: { reason: "types are not guessed", nearest: "write the type" },
  bpf_attr: { reason: NO_STRUCTURE, nearest: "hook sys_bpf: its command is argument 0, an int" },
  bpf_cmd: { reason: "commands have no names here", nearest: "use int" },
  bpf_map: { reason: NO_STRUCTURE, nearest: "hook sys_bpf: its command is argument 0, an int" },
  bpf_prog: { reason: NO_STRUCTURE, nearest: "hook sys_bpf: its command is argument 0, an int" },
  cap_effective: { reason: "sets of capabilities are not compared", nearest: "use cred" },
  cap_inheritable: { reason: "sets of capabilities are not compared", nearest: "use cred" },
  cap_permitted: { reason: "sets of capabilities are not compared", nearest: "use cred" },
  char_iovec: { reason: "scattered buffers are not read", nearest: "use char_buf where one is" },
  const_buf: { reason: "buffers have no fixed size here", nearest: "use char_buf" },
  data_loc: {
    reason: "texts within tracepoints are not read",
    nearest: "use raw: true and string",
  },
  dentry: { reason: "it does not know its mount", nearest: "use path or file where one is" },
  filename: {
    reason: NO_STRUCTURE,
    nearest: "use string at the system call, or file at an LSM hook",
  },
  iov_iter: { reason: "scattered buffers are not read", nearest: "use char_buf where one is" },
  kernel_cap_t: { reason: "sets of capabilities are not compared", nearest: "use cred" },
  kiocb: { reason: NO_STRUCTURE, nearest: "use file at security_file_permission" },
  load_info: { reason: NO_STRUCTURE, nearest: "hook sys_finit_module: its argument 0 is an fd" },
  module: { reason: NO_STRUCTURE, nearest: "hook sys_finit_module: its argument 0 is an fd" },
  net_device: { reason: NO_STRUCTURE, nearest: "use sock" },
  perf_event: { reason: NO_STRUCTURE, nearest: "hook sys_perf_event_open" },
  skb: { reason: "packets are not read", nearest: "use sock" },
  sockaddr_un: { reason: "paths of sockets are not read", nearest: "use sockaddr with Family" },
  socket: { reason: NO_STRUCTURE, nearest: "hook a function that has the struct sock: type sock" },
  user_namespace: { reason: NO_STRUCTURE, nearest: "use matchNamespaces with User" },
};

/** All names of types that are read. */
export function typeNames(): string[] {
  return ARGUMENT_TYPES.flatMap(({ names }) => names);
}
