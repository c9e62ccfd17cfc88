/**
 * Values of a call as programs read them.
 *
 * @module
 */
import {
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
      return readPart(readArgument(hook.args[dim.slot]!, call), dim.part);
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

function readPart(value: CallValue, part: number): CallValue {
  if (part === PART.value) return value;
  if (value === undefined || typeof value === "bigint" || value instanceof Uint8Array) {
    return undefined;
  }
  switch (part) {
    case PART.source_address:
      return hasAddress(value) ? value.sourceAddress : undefined;
    case PART.destination_address:
      return hasAddress(value) ? value.destinationAddress : undefined;
    case PART.source_port:
      return BigInt(value.sourcePort);
    case PART.destination_port:
      return BigInt(value.destinationPort);
    case PART.protocol:
      return BigInt(value.protocol);
    case PART.family:
      return BigInt(value.family);
    default:
      return BigInt(value.state);
  }
}

const [AF_INET, AF_INET6] = [2, 10];

function hasAddress({ family }: CallSocket): boolean {
  return family === AF_INET || family === AF_INET6;
}
