/**
 * The arguments that the program of a hook reads: all that its policies look at or tell.
 *
 * @module
 */
import type { ArgumentType, HookArgument, HookPoint } from "../model.ts";
import { ArgFlag, ArgType, NO_SIZE_INDEX, PolicyLimit } from "./kernel_contract.ts";
import { Stage, type StagedStores } from "./staged_stores.ts";
import type { KernelArg } from "./table_writer.ts";

interface UsedArg {
  readonly arg: KernelArg;
  users: number;
}

const RETURN = PolicyLimit.ARGS_MAX;

/** Arguments of one hook, in slots; policies that read the same share one. */
export class HookArguments {
  readonly #stores: StagedStores;
  readonly #hook: number;
  /** The last one is what the call returns. */
  readonly #slots: (UsedArg | undefined)[] = Array.from({ length: PolicyLimit.ARGS_MAX + 1 });

  constructor(stores: StagedStores, hook: number) {
    this.#stores = stores;
    this.#hook = hook;
  }

  /** Its slot; undefined: all are taken by others. */
  take(arg: KernelArg): number | undefined {
    const found = this.#slots.findIndex((used, slot) =>
      slot !== RETURN && used !== undefined && isSame(used.arg, arg)
    );
    const slot = found >= 0
      ? found
      : this.#slots.findIndex((used, slot) => slot !== RETURN && used === undefined);
    return slot < 0 ? undefined : this.#takeSlot(slot, arg);
  }

  /** False: another policy reads what the call returns in another way. */
  takeReturn(arg: KernelArg): boolean {
    const used = this.#slots[RETURN];
    if (used !== undefined && !isSame(used.arg, arg)) return false;
    this.#takeSlot(RETURN, arg);
    return true;
  }

  /** True: nobody reads it any more, so `forget()` it after a grace period. */
  giveBack(slot: number): boolean {
    return --this.#slots[slot]!.users === 0;
  }

  giveBackReturn(): boolean {
    return this.giveBack(RETURN);
  }

  forget(slot: number): void {
    if (this.#slots[slot]!.users > 0) return;
    this.#slots[slot] = undefined;
    this.#store(slot, undefined);
  }

  forgetReturn(): void {
    this.forget(RETURN);
  }

  #takeSlot(slot: number, arg: KernelArg): number {
    let used = this.#slots[slot];
    if (used === undefined) {
      used = { arg, users: 0 };
      this.#slots[slot] = used;
      this.#store(slot, arg);
    }
    used.users++;
    return slot;
  }

  #store(slot: number, arg: KernelArg | undefined): void {
    const hook = this.#hook;
    this.#stores.add(Stage.HOOKS, (writer) => {
      if (slot === RETURN) writer.setHookReturn(hook, arg);
      else writer.setHookArg(hook, slot, arg);
    });
  }
}

/** How the program reads an argument; undefined: not at all. */
export function kernelArg(point: HookPoint, argument: HookArgument): KernelArg | undefined {
  const type = ARG_TYPES[argument.type];
  if (type === ArgType.NONE) return undefined;
  return {
    type,
    index: argument.index,
    sizeIndex: argument.sizeIndex ?? NO_SIZE_INDEX,
    flags: (isOfCaller(point) ? ArgFlag.USER : 0) |
      (type === ArgType.SOCKADDR ? addressFlags(point) : 0),
    sizeMax: argument.type === "char_buf" ? argument.sizeMax ?? PolicyLimit.TEXT_SIZE_MAX : 0,
  };
}

/** Whether pointers among the arguments are into the memory of the process. */
function isOfCaller(point: HookPoint): boolean {
  return point.kind === "syscall" ||
    (point.kind === "tracepoint" && point.subsystem === "syscalls");
}

/** What an address of AF_UNSPEC means there. */
function addressFlags(point: HookPoint): number {
  return (disconnects(point) ? ArgFlag.DISCONNECTS : 0) |
    (point.kind === "syscall" ? ArgFlag.OF_SOCKET : 0);
}

/**
 * Whether an address of AF_UNSPEC ends a connection: connect(2) and the functions below it, such as
 * security_socket_connect(). All others take it for an address.
 */
export function disconnects({ name }: HookPoint): boolean {
  return name.includes("connect");
}

function isSame(a: KernelArg, b: KernelArg): boolean {
  return a.type === b.type && a.index === b.index && a.sizeIndex === b.sizeIndex &&
    a.flags === b.flags && a.sizeMax === b.sizeMax;
}

const ARG_TYPES: Readonly<Record<ArgumentType, number>> = {
  int8: ArgType.S8,
  uint8: ArgType.U8,
  int16: ArgType.S16,
  uint16: ArgType.U16,
  int32: ArgType.S32,
  uint32: ArgType.U32,
  int64: ArgType.U64,
  uint64: ArgType.U64,
  size: ArgType.U64,
  syscall64: ArgType.U64,
  string: ArgType.STRING,
  char_buf: ArgType.BUFFER,
  fd: ArgType.FD,
  file: ArgType.FILE,
  path: ArgType.PATH,
  linux_binprm: ArgType.BINPRM,
  sock: ArgType.SOCK,
  sockaddr: ArgType.SOCKADDR,
  cred: ArgType.CRED,
  capability: ArgType.CAPABILITY,
  nop: ArgType.NONE,
};
