import type { Text } from "../../events/mod.ts";
import type { PolicyFile, PolicyHit, PolicySocket, PolicyValue } from "../../events/mod.ts";
import {
  ipAddressText,
  POLICY_FILE_VALUE_SIZE,
  POLICY_HIT_ARG_SIZE,
  POLICY_HIT_SIZE,
  POLICY_HIT_WORD_SIZE,
  POLICY_SOCKET_VALUE_SIZE,
  PolicyArgType,
  PolicyEffectKind,
  PolicyFileValueOffset as File,
  PolicyHitArgOffset as Arg,
  PolicyHitFlag,
  PolicyHitOffset as Hit,
  PolicyHitWordOffset as Word,
  PolicyPhase,
  PolicyRecordKind,
  PolicySocketValueOffset as Socket,
  type RecordView,
} from "../../wire/mod.ts";
import { checkSize, readFactBase } from "../record_parts.ts";
import { TextReader } from "../text_reader.ts";

const NAME = "policy_hit";
const NUMBER_SIZE = 8;
const CREDENTIALS_SIZE = 24;
const ARGUMENT_ALIGNMENT = 8;
/** `s_dev`: include/linux/kdev_t.h. */
const MINOR_BITS = 20;
const MINOR_MASK = (1 << MINOR_BITS) - 1;
/** Of a place that no policy reads (any more): nobody looks at it. */
const NO_VALUE: PolicyValue = { kind: "number", value: 0n };

/** Reads `struct policy_hit`, its words and its arguments. */
export class PolicyHitDecoder {
  readonly kind = PolicyRecordKind.POLICY_HIT_RECORD;
  readonly name = NAME;
  readonly #texts = new TextReader();

  /** @throws {RangeError} sizes and counts in the record do not add up to it. */
  decode(record: RecordView): PolicyHit {
    const { view, offset, size } = record;
    if (size < POLICY_HIT_SIZE) checkSize(NAME, record, POLICY_HIT_SIZE);
    const wordCount = view.getUint16(offset + Hit.wordCount, true);
    const argCount = view.getUint16(offset + Hit.argCount, true);
    const argsAt = offset + POLICY_HIT_SIZE + wordCount * POLICY_HIT_WORD_SIZE;
    if (argsAt > offset + size) checkSize(NAME, record, argsAt - offset);
    const cursor = { at: argsAt };
    const args = Array.from({ length: argCount }, () => this.#argument(record, cursor));
    checkSize(NAME, record, cursor.at - offset);
    const flags = view.getUint16(offset + Hit.flags, true);
    const effect = readEffect(view, offset, flags);
    const isCall = view.getUint16(offset + Hit.phase, true) === PolicyPhase.POLICY_AT_CALL;
    return {
      ...readFactBase(record),
      type: NAME,
      hook: view.getUint32(offset + Hit.hook, true),
      phase: isCall ? "call" : "return",
      words: readWords(view, offset + POLICY_HIT_SIZE, wordCount),
      args,
      ...(effect !== undefined && { effect }),
      isSilent: (flags & PolicyHitFlag.POLICY_HIT_SILENT) !== 0,
      isDeferred: (flags & PolicyHitFlag.POLICY_HIT_DEFERRED) !== 0,
      ...undecidedBy(flags),
      expectsReturn: (flags & PolicyHitFlag.POLICY_HIT_RETURNS) !== 0,
      returnValue: view.getBigInt64(offset + Hit.returnValue, true),
      uid: view.getUint32(offset + Hit.uid, true),
      gid: view.getUint32(offset + Hit.gid, true),
      euid: view.getUint32(offset + Hit.euid, true),
      egid: view.getUint32(offset + Hit.egid, true),
      capEffective: view.getBigUint64(offset + Hit.capEffective, true),
    };
  }

  /** The argument at the cursor, which moves behind it. */
  #argument(record: RecordView, cursor: { at: number }): PolicyValue {
    const { view, offset, size } = record;
    const [at, end] = [cursor.at, offset + size];
    if (at + POLICY_HIT_ARG_SIZE > end) throw this.#tooShort(record);
    const type = view.getUint16(at + Arg.type, true);
    const flags = view.getUint16(at + Arg.flags, true);
    const bodySize = view.getUint32(at + Arg.size, true);
    const body = at + POLICY_HIT_ARG_SIZE;
    if (bodySize > end - body || bodySize < (BODY_SIZES_MIN[type] ?? NUMBER_SIZE)) {
      throw this.#tooShort(record);
    }
    const padded = Math.ceil(bodySize / ARGUMENT_ALIGNMENT) * ARGUMENT_ALIGNMENT;
    cursor.at = body + padded;
    return this.#value(record, { type, flags, body, end: body + bodySize });
  }

  #value(record: RecordView, place: ValuePlace): PolicyValue {
    const { view, bytes } = record;
    const { type, body, end } = place;
    switch (type) {
      case PolicyArgType.POLICY_ARG_NONE:
        return NO_VALUE;
      case PolicyArgType.POLICY_ARG_STRING:
      case PolicyArgType.POLICY_ARG_BUFFER: {
        const text = this.#texts.text(bytes, body, end);
        return { kind: "text", text, bytes: bytes.slice(body, end), ...marksOf(place) };
      }
      case PolicyArgType.POLICY_ARG_FD:
      case PolicyArgType.POLICY_ARG_FILE:
      case PolicyArgType.POLICY_ARG_PATH:
      case PolicyArgType.POLICY_ARG_BINPRM: {
        const path = this.#texts.text(bytes, body + POLICY_FILE_VALUE_SIZE, end);
        return readFile(view, place, path);
      }
      case PolicyArgType.POLICY_ARG_SOCK:
      case PolicyArgType.POLICY_ARG_SOCKADDR:
        return readSocket(view, body);
      case PolicyArgType.POLICY_ARG_CRED:
        return {
          kind: "credentials",
          capPermitted: view.getBigUint64(body, true),
          capEffective: view.getBigUint64(body + 8, true),
          capInheritable: view.getBigUint64(body + 16, true),
        };
      default:
        return { kind: "number", value: view.getBigUint64(body, true) };
    }
  }

  #tooShort({ size }: RecordView): RangeError {
    return new RangeError(
      `Cannot read record "${NAME}": an argument does not fit its ${size} bytes`,
    );
  }
}

/** Where the bytes of an argument are. */
interface ValuePlace {
  readonly type: number;
  readonly flags: number;
  readonly body: number;
  readonly end: number;
}

/** Least sizes of arguments; of those that are not here that of a number. */
const BODY_SIZES_MIN: Readonly<Record<number, number>> = {
  [PolicyArgType.POLICY_ARG_NONE]: 0,
  [PolicyArgType.POLICY_ARG_STRING]: 0,
  [PolicyArgType.POLICY_ARG_BUFFER]: 0,
  [PolicyArgType.POLICY_ARG_FD]: POLICY_FILE_VALUE_SIZE,
  [PolicyArgType.POLICY_ARG_FILE]: POLICY_FILE_VALUE_SIZE,
  [PolicyArgType.POLICY_ARG_PATH]: POLICY_FILE_VALUE_SIZE,
  [PolicyArgType.POLICY_ARG_BINPRM]: POLICY_FILE_VALUE_SIZE,
  [PolicyArgType.POLICY_ARG_SOCK]: POLICY_SOCKET_VALUE_SIZE,
  [PolicyArgType.POLICY_ARG_SOCKADDR]: POLICY_SOCKET_VALUE_SIZE,
  [PolicyArgType.POLICY_ARG_CRED]: CREDENTIALS_SIZE,
};

function marksOf({ flags }: ValuePlace): { isCut: boolean; isUnreadable: boolean } {
  return {
    isCut: (flags & PolicyHitFlag.POLICY_HIT_TEXT_CUT) !== 0,
    isUnreadable: (flags & PolicyHitFlag.POLICY_HIT_UNREADABLE) !== 0,
  };
}

function readWords(view: DataView, at: number, count: number): PolicyHit["words"] {
  return Array.from({ length: count }, (_, i) => ({
    index: view.getUint32(at + i * POLICY_HIT_WORD_SIZE + Word.index, true),
    bits: view.getBigUint64(at + i * POLICY_HIT_WORD_SIZE + Word.bits, true),
  }));
}

function readEffect(view: DataView, at: number, flags: number): PolicyHit["effect"] {
  const kind = view.getUint32(at + Hit.effectKind, true);
  if (kind === PolicyEffectKind.POLICY_EFFECT_NONE) return undefined;
  return {
    kind: kind === PolicyEffectKind.POLICY_EFFECT_SIGNAL ? "signal" : "override",
    parameter: view.getUint32(at + Hit.effectParameter, true),
    isEnforced: (flags & PolicyHitFlag.POLICY_HIT_ENFORCED) !== 0,
  };
}

function readFile(view: DataView, place: ValuePlace, path: Text): PolicyFile {
  const { body, type } = place;
  const device = view.getUint32(body + File.device, true);
  return {
    kind: "file",
    path,
    ...marksOf(place),
    inode: view.getBigUint64(body + File.inode, true),
    device: { major: device >>> MINOR_BITS, minor: device & MINOR_MASK },
    mode: view.getUint16(body + File.mode, true),
    ...(type === PolicyArgType.POLICY_ARG_FD && { fd: view.getInt32(body + File.fd, true) }),
  };
}

function readSocket(view: DataView, at: number): PolicySocket {
  const family = view.getUint16(at + Socket.family, true);
  return {
    kind: "socket",
    family,
    type: view.getUint16(at + Socket.type, true),
    protocol: view.getUint16(at + Socket.protocol, true),
    state: view.getUint16(at + Socket.state, true),
    mark: view.getUint32(at + Socket.mark, true),
    cookie: view.getBigUint64(at + Socket.cookie, true),
    sourceAddress: ipAddressText(view, at + Socket.sourceAddress, family),
    destinationAddress: ipAddressText(view, at + Socket.destinationAddress, family),
    sourcePort: view.getUint16(at + Socket.sourcePort, true),
    destinationPort: view.getUint16(at + Socket.destinationPort, true),
  };
}

/** Why it was not decided. */
function undecidedBy(flags: number): Pick<PolicyHit, "undecided"> {
  if ((flags & PolicyHitFlag.POLICY_HIT_NO_ROOM) !== 0) return { undecided: "no_room" };
  if ((flags & PolicyHitFlag.POLICY_HIT_MEMORY_GONE) !== 0) return { undecided: "memory_gone" };
  return {};
}
