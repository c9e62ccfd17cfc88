/**
 * Values of a call as programs read them.
 *
 * @module
 */
import {
  ArgFlag,
  ArgType,
  NAMESPACE_PART,
  NO_SIZE_INDEX,
  PART,
  Source,
} from "../compile/kernel_contract.ts";
import type { KernelArg, KernelDim } from "../compile/table_writer.ts";
import type { MemoryHook } from "./memory_tables.ts";
import type { CallSocket, CallValue, PolicyCall } from "./policy_call.ts";

const CAPABILITY_SETS = ["effective", "inheritable", "permitted"] as const;
const NAMESPACES = Object.keys(NAMESPACE_PART) as (keyof typeof NAMESPACE_PART)[];

/** What a dimension looks at; `trees` are those of the caller. */
export function valueOf(
  trees: bigint,
  call: PolicyCall,
  hook: MemoryHook,
  dim: KernelDim,
): CallValue {
  const { process } = call;
  switch (dim.source) {
    case Source.ARG:
      return readPart(readArgument(hook.args[dim.slot]!, call), dim.part, hook.args[dim.slot]!);
    case Source.RETURN:
      return extend(call.returned, hook.returns!.type);
    case Source.TGID:
      return BigInt(process.tgid);
    case Source.NAMESPACE_TGID:
      return BigInt(process.namespaceTgid);
    case Source.TREE:
      return trees;
    case Source.BINARY:
      return process.binary;
    case Source.NAMESPACE:
      return BigInt(process.namespaces[NAMESPACES[dim.part]!]);
    default:
      return process.capabilities[CAPABILITY_SETS[dim.part]!];
  }
}

function readArgument({ type, index, sizeIndex, sizeMax }: KernelArg, call: PolicyCall): CallValue {
  const value = call.args[index];
  if (typeof value === "bigint") return extend(value, type);
  if (type !== ArgType.BUFFER || !(value instanceof Uint8Array)) return value;
  const size = sizeIndex === NO_SIZE_INDEX ? sizeMax : Number(call.args[sizeIndex]);
  return value.subarray(0, Math.min(size, sizeMax));
}

const WIDTHS: Readonly<Record<number, number>> = {
  ...{ [ArgType.S8]: 8, [ArgType.U8]: 8, [ArgType.S16]: 16, [ArgType.U16]: 16 },
  ...{ [ArgType.S32]: 32, [ArgType.U32]: 32, [ArgType.CAPABILITY]: 32 },
};
const SIGNED_TYPES: ReadonlySet<number> = new Set([ArgType.S8, ArgType.S16, ArgType.S32]);

/** A register as the 64 bits that are compared. */
function extend(value: bigint, type: number): bigint {
  const width = WIDTHS[type] ?? 64;
  const isSigned = SIGNED_TYPES.has(type) || type === ArgType.CAPABILITY;
  return BigInt.asUintN(64, isSigned ? BigInt.asIntN(width, value) : BigInt.asUintN(width, value));
}

function readPart(value: CallValue, part: number, arg: KernelArg): CallValue {
  if (part === PART.value) return value;
  if (value === null) return part === PART.family ? NO_FAMILY : undefined;
  if (value === undefined || typeof value === "bigint" || value instanceof Uint8Array) {
    return undefined;
  }
  const family = arg.type === ArgType.SOCKADDR ? familyOf(value, arg) : value.family;
  const isIp = family === AF_INET || family === AF_INET6;
  switch (part) {
    case PART.source_address:
      return isIp ? value.sourceAddress : undefined;
    case PART.destination_address:
      return isIp ? value.destinationAddress : undefined;
    case PART.source_port:
      return isIp ? BigInt(value.sourcePort) : undefined;
    case PART.destination_port:
      return isIp ? BigInt(value.destinationPort) : undefined;
    case PART.protocol:
      return BigInt(value.protocol);
    case PART.family:
      return BigInt(family);
    default:
      return BigInt(value.state);
  }
}

const [AF_UNSPEC, AF_INET, AF_INET6] = [0, 2, 10];
/** POLICY_NO_FAMILY */
const NO_FAMILY = 0xffffn;

/** policy_unspec_family() */
function familyOf({ family, socket }: CallSocket, { flags }: KernelArg): number {
  if (family !== AF_UNSPEC || (flags & ArgFlag.DISCONNECTS) !== 0) return family;
  if (socket === undefined || (flags & ArgFlag.OF_SOCKET) === 0) return AF_INET;
  if (socket.family === AF_INET6 && !socket.isRaw) return AF_UNSPEC;
  return socket.family === AF_INET || socket.family === AF_INET6 ? socket.family : AF_UNSPEC;
}
