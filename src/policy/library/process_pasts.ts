/**
 * What policies want to know of processes that ran before a program watched them: which name they
 * were given, and which trees they are in.
 *
 * @module
 */
import type { Process, Text } from "../../events/mod.ts";
import type { ProcessTree } from "../compile/process_trees.ts";
import { sipHash, type SipSecret } from "../compile/sip_hash.ts";
import { meets } from "../evaluate/evaluate_policies.ts";
import { PolicyLimit } from "../compile/kernel_contract.ts";
import type { CallProcess } from "../evaluate/policy_call.ts";
import { shortestName } from "./shortest_name.ts";

/** A process that runs, with what it descends from: earlier images of it are parents too. */
export interface RunningProcess {
  readonly process: Process;
  readonly parent: RunningProcess | undefined;
}

/** A name of a program as the kernel keeps it: `struct policy_name`. */
export interface KnownName {
  readonly size: number;
  readonly hash: bigint;
  /** As many bytes as prefixes see. */
  readonly front: Uint8Array;
  /** As many bytes as postfixes see, last byte first. */
  readonly back: Uint8Array;
}

/** What the kernel is told of a process. */
export interface KnownPast {
  readonly tgid: number;
  /** Path of the file that runs. */
  readonly file?: KnownName;
  /** Name given to exec. */
  readonly given?: KnownName;
  readonly trees: bigint;
}

/** How pasts are made. */
export interface PastOptions {
  readonly secret: SipSecret;
  /** Only of processes that are in one of the trees. */
  readonly onlyTrees: boolean;
  /** Name that exec was given, of a process that was found running; undefined: not known. */
  readonly givenName?: (tgid: number) => Uint8Array | undefined;
}

/** A name as the kernel keeps it; undefined where it would not. */
export function knownName(secret: SipSecret, name: Uint8Array): KnownName | undefined {
  if (name.length === 0 || name.length > PolicyLimit.TEXT_SIZE_MAX) return undefined;
  const [low, high] = sipHash(secret, name);
  return {
    size: name.length,
    hash: BigInt(low) | BigInt(high) << 32n,
    front: name.subarray(0, PolicyLimit.PREFIX_SIZE_MAX),
    back: name.subarray(-PolicyLimit.POSTFIX_SIZE_MAX).toReversed(),
  };
}

/** What the kernel is told of processes that ran before its programs. */
export function* pastsOf(
  processes: Iterable<RunningProcess>,
  trees: readonly ProcessTree[],
  { secret, onlyTrees, givenName }: PastOptions,
): Generator<KnownPast> {
  const known = new Map<RunningProcess, bigint>();
  for (const running of processes) {
    const bits = treesOf(running, trees, known);
    const { tgid, binary, exe, flags } = running.process;
    if (onlyTrees) {
      if (bits !== 0n) yield { tgid, trees: bits };
      continue;
    }
    const found = flags.includes("procFS") ? givenName?.(tgid) : undefined;
    const given = knownName(secret, found ?? shortestName(bytesOf(binary), ROOT));
    const file = exe === undefined ? undefined : knownName(secret, bytesOf(exe.path));
    yield { tgid, trees: bits, ...(file && { file }), ...(given && { given }) };
  }
}

const ROOT = new TextEncoder().encode("/");

/** Bits of the trees that it, or what it descends from, begins. Long chains are no recursion. */
function treesOf(
  running: RunningProcess,
  trees: readonly ProcessTree[],
  known: Map<RunningProcess, bigint>,
): bigint {
  if (trees.length === 0) return 0n;
  const chain: RunningProcess[] = [];
  let at: RunningProcess | undefined = running;
  while (at !== undefined && !known.has(at)) {
    chain.push(at);
    at = at.parent;
  }
  let bits = at === undefined ? 0n : known.get(at)!;
  for (const link of chain.reverse()) {
    const caller = callerOf(link.process);
    for (const { bit, condition } of trees) {
      if (meets(condition, caller)) bits |= 1n << BigInt(bit);
    }
    known.set(link, bits);
  }
  return bits;
}

/** Inode number of the initial pid namespace: PROC_PID_INIT_INO of the kernel. */
const HOST_PIDS = 0xeffffffc;

function callerOf({ tgid, namespaceTgid, exe, binary, namespaces, credentials }: Process) {
  // Without its number: only there a process has the same pid in both.
  const isOfHost = namespaces.pid === 0 ? namespaceTgid === tgid : namespaces.pid === HOST_PIDS;
  const path = exe === undefined ? undefined : bytesOf(exe.path);
  const caller: CallProcess = {
    ...{ tgid, binary: path, givenName: shortestName(bytesOf(binary), ROOT), ancestors: [] },
    namespaceTgid: isOfHost ? 0 : namespaceTgid,
    namespaces: {
      ...namespaces,
      pid_for_children: namespaces.pidForChildren,
      time_for_children: namespaces.timeForChildren,
    },
    capabilities: {
      effective: credentials.capEffective,
      permitted: credentials.capPermitted,
      inheritable: credentials.capInheritable,
    },
  };
  return caller;
}

function bytesOf({ text, raw }: Text): Uint8Array {
  return raw ?? new TextEncoder().encode(text);
}
