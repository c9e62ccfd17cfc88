/**
 * What policies say about a call: the specification. It reads policies as they are written and is
 * meant to be obviously right; tables and programs are tested against it.
 *
 * @module
 */
import type {
  Action,
  ArgumentType,
  Condition,
  HookArgument,
  HookPoint,
  Network,
  Policy,
  PolicyHook,
  Selector,
  Subject,
  Test,
  ValuePart,
} from "../model.ts";
import type { CallProcess, CallSocket, CallValue, PolicyCall } from "./policy_call.ts";

/** Bytes of a text that are looked at; of longer ones the end is unknown. */
const TEXT_SIZE_MAX = 4096;

const [AF_UNSPEC, AF_INET, AF_INET6] = [0, 2, 10];
const IP_FAMILIES: ReadonlySet<number> = new Set([AF_INET, AF_INET6]);
/** Family of an address that was left out. */
const NO_FAMILY = 0xffff;

/** What is done for a selector. */
export interface Done {
  readonly posts: boolean;
  /** "signal 9", "override 13", in no order. */
  readonly effects: readonly string[];
  /** The effects are done, not only told. */
  readonly isEnforced: boolean;
}

/** The selector of a policy's hook that matches first. */
export interface Outcome {
  readonly policy: string;
  /** Position in `Policy.hooks`. */
  readonly hookIndex: number;
  readonly selectorIndex: number;
  readonly atCall?: Done;
  readonly atEnd?: Done;
}

/** Whether a selector is about the workload that calls. */
export type ConcernsCaller = (
  policy: Policy,
  hookIndex: number,
  selectorIndex: number,
) => boolean;

/** What all policies do about a call. */
export function evaluatePolicies(
  policies: Iterable<Policy>,
  call: PolicyCall,
  concerns: ConcernsCaller,
): Outcome[] {
  const outcomes: Outcome[] = [];
  for (const policy of policies) {
    policy.hooks.forEach((hook, hookIndex) => {
      if (!isSamePoint(hook, call)) return;
      const selectorIndex = hook.selectors.findIndex((selector, i) =>
        concerns(policy, hookIndex, i) &&
        selector.conditions.every((condition) => holds(condition, hook, call))
      );
      if (selectorIndex < 0) return;
      const done = doneFor(policy, hook, hook.selectors[selectorIndex]!);
      outcomes.push({ policy: policy.name, hookIndex, selectorIndex, ...done });
    });
  }
  return outcomes;
}

function isSamePoint({ point: a }: PolicyHook, { point: b }: PolicyCall): boolean {
  if (a.kind === "tracepoint" && b.kind === "tracepoint" && a.subsystem !== b.subsystem) {
    return false;
  }
  return a.kind === b.kind && a.name === b.name;
}

/**
 * A hook with conditions on the return value is decided at the end of the call, and everything is
 * done then. Others are decided at the call.
 */
function doneFor(
  policy: Policy,
  hook: PolicyHook,
  { actions, returnActions }: Selector,
): Pick<Outcome, "atCall" | "atEnd"> {
  const isEnforced = policy.mode === "enforce";
  const isLate = hook.selectors.some(({ conditions }) =>
    conditions.some(({ subject }) => subject.of === "return")
  );
  if (isLate) return { atEnd: done([...actions, ...returnActions], true, isEnforced) };
  const atCall = done(actions, true, isEnforced);
  // The return value is told when it was asked for and the call was told.
  const tellsReturn = hook.returns !== undefined && atCall.posts;
  if (returnActions.length === 0 && !tellsReturn) return { atCall };
  return { atCall, atEnd: done(returnActions, atCall.posts, isEnforced) };
}

function done(actions: readonly Action[], postsElse: boolean, isEnforced: boolean): Done {
  const posts = !actions.some(({ kind }) => kind === "no_post") &&
    (postsElse || actions.some(({ kind }) => kind === "post"));
  const effects = new Set<string>();
  for (const action of actions) {
    if (action.kind === "sigkill") effects.add("signal 9");
    if (action.kind === "signal") effects.add(`signal ${action.signal}`);
    if (action.kind === "override") effects.add(`override ${action.errno}`);
  }
  return { posts, effects: [...effects], isEnforced };
}

function holds(condition: Condition, hook: PolicyHook, call: PolicyCall): boolean {
  // "Not this address" is said of addresses: a path of AF_UNIX is none, nor is nothing at all.
  if (condition.isNegated && lacksAddress(condition, hook, call)) return false;
  if (isOnlyOfContainers(condition) && call.process.namespaceTgid === 0) return false;
  const values = valuesOf(condition, hook, call);
  const isListed = values.some((value) => passes(condition.test, value));
  return isListed !== condition.isNegated;
}

/** Who descends from which pid of a pid namespace is not asked of the host's processes. */
function isOnlyOfContainers({ subject }: Condition): boolean {
  return subject.of === "pid" && subject.isNamespacePid && subject.followForks;
}

/** What cannot be read may be an address. */
function lacksAddress({ subject }: Condition, hook: PolicyHook, call: PolicyCall): boolean {
  if (subject.of !== "argument" || !/_(address|port)$/.test(subject.part)) return false;
  const argument = hook.args[subject.position]!;
  const value = readValue(argument, call.args[argument.index], call);
  return value === null || (isSocket(value) && !IP_FAMILIES.has(value.family));
}

/** Whether a process meets a condition on the process itself, its negation left aside. */
export function meets(
  { subject, test, isNegated }: Pick<Condition, "subject" | "test" | "isNegated">,
  process: CallProcess,
): boolean {
  return ownValues(subject, isNegated, process).some((value) => passes(test, value));
}

/** What a condition looks at; more than one value when any of them will do. */
function valuesOf(
  { subject, isNegated }: Condition,
  hook: PolicyHook,
  call: PolicyCall,
): readonly CallValue[] {
  switch (subject.of) {
    case "argument": {
      const argument = hook.args[subject.position]!;
      const value = readValue(argument, call.args[argument.index], call);
      return [partOf(value, subject.part)];
    }
    case "return":
      return [readValue(hook.returns!, call.returned, call)];
    default: {
      const isTree = (subject.of === "pid" && subject.followForks) ||
        (subject.of === "binary" && subject.followChildren);
      const processes = isTree ? [call.process, ...call.process.ancestors] : [call.process];
      return processes.flatMap((process) => ownValues(subject, isNegated, process));
    }
  }
}

function ownValues(
  subject: Subject,
  isNegated: boolean,
  process: CallProcess,
): CallValue[] {
  switch (subject.of) {
    case "pid":
      return [BigInt(subject.isNamespacePid ? process.namespaceTgid : process.tgid)];
    case "binary":
      // A given name can be anything: it may bring a process under a rule, never out of one.
      return isNegated ? [process.binary] : [process.binary, process.givenName];
    case "namespace":
      return [BigInt(process.namespaces[subject.namespace])];
    case "capabilities":
      return [process.capabilities[subject.set]];
    default:
      return [];
  }
}

/** A register narrowed to its type, as 64 bits; a buffer as far as it is read. */
function readValue(
  argument: HookArgument,
  value: CallValue,
  { args, point }: PolicyCall,
): CallValue {
  const { type, sizeIndex, sizeMax } = argument;
  if (typeof value === "bigint") return narrow(value, type);
  if (type === "sockaddr" && isSocket(value)) {
    return { ...value, family: takenFamily(value, point) };
  }
  if (type !== "char_buf" || !(value instanceof Uint8Array)) return value;
  let size = sizeMax ?? TEXT_SIZE_MAX;
  if (sizeIndex !== undefined) size = Math.min(size, Number(args[sizeIndex]));
  return value.subarray(0, size);
}

/**
 * Sockets of AF_INET take an address of AF_UNSPEC for one of theirs, raw ones of AF_INET6 too;
 * others do without. In connect(2) it ends the connection.
 */
function takenFamily({ family, socket }: CallSocket, point: HookPoint): number {
  if (family !== AF_UNSPEC || point.name.includes("connect")) return family;
  if (socket === undefined || socket.family === AF_INET) return AF_INET;
  return socket.family === AF_INET6 && socket.isRaw ? AF_INET6 : AF_UNSPEC;
}

function isSocket(value: CallValue): value is CallSocket {
  return typeof value === "object" && value !== null && !(value instanceof Uint8Array);
}

function narrow(value: bigint, type: ArgumentType): bigint {
  // A capability is an int.
  const width = type === "capability" ? "32" : /^u?int(8|16|32)$/.exec(type)?.[1];
  if (width === undefined) return BigInt.asUintN(64, value);
  const bits = Number(width);
  const number = type.startsWith("u") ? BigInt.asUintN(bits, value) : BigInt.asIntN(bits, value);
  return BigInt.asUintN(64, number);
}

function partOf(value: CallValue, part: ValuePart): CallValue {
  if (part === "value") return value;
  if (value === null) return part === "family" ? BigInt(NO_FAMILY) : undefined;
  return isSocket(value) ? partOfSocket(value, part) : undefined;
}

function partOfSocket(socket: CallSocket, part: Exclude<ValuePart, "value">): CallValue {
  const isIp = IP_FAMILIES.has(socket.family);
  switch (part) {
    // What is no IP address is in no network and has no port.
    case "source_address":
      return isIp ? socket.sourceAddress : undefined;
    case "destination_address":
      return isIp ? socket.destinationAddress : undefined;
    case "source_port":
      return isIp ? BigInt(socket.sourcePort) : undefined;
    case "destination_port":
      return isIp ? BigInt(socket.destinationPort) : undefined;
    default:
      return BigInt(socket[part]);
  }
}

function passes(test: Test, value: CallValue): boolean {
  switch (test.kind) {
    case "text":
    case "prefix":
    case "postfix":
      return value instanceof Uint8Array && passesText(test, value);
    case "network":
      return value instanceof Uint8Array && test.values.some((network) => contains(network, value));
    default:
      return typeof value === "bigint" && passesNumber(test, value);
  }
}

function passesText(
  test: Extract<Test, { kind: "text" | "prefix" | "postfix" }>,
  text: Uint8Array,
): boolean {
  switch (test.kind) {
    case "text":
      return test.values.some((value) => isEqual(value, text));
    case "prefix":
      return test.values.some((value) => isEqual(value, text.subarray(0, value.length)));
    case "postfix":
      return text.length <= TEXT_SIZE_MAX &&
        test.values.some((value) =>
          value.length <= text.length && isEqual(value, text.subarray(text.length - value.length))
        );
  }
}

function passesNumber(
  test: Extract<Test, { kind: "number" | "range" | "bits" }>,
  value: bigint,
): boolean {
  switch (test.kind) {
    case "number":
      return test.values.some((other) => BigInt.asUintN(64, other) === value);
    case "range": {
      const moved = test.isSigned ? BigInt.asUintN(64, value + 2n ** 63n) : value;
      return test.values.some(({ first, last }) => first <= moved && moved <= last);
    }
    case "bits":
      return (value & test.mask) !== 0n;
  }
}

function contains({ address, bits }: Network, other: Uint8Array): boolean {
  for (let i = 0; i < bits; i++) {
    const bit = 0x80 >> (i & 7);
    if ((address[i >> 3]! & bit) !== (other[i >> 3]! & bit)) return false;
  }
  return true;
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
