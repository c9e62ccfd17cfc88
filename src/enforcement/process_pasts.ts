/**
 * What processes have from their past, in the kernel: the name given to exec, and trees.
 *
 * @module
 */
import { type BpfMap, MapUpdate } from "../../ffi/mod.ts";
import { POLICY_PROCESS_SIZE, PolicyProcessOffset as Process } from "../wire/mod.ts";

/** What a process has from its past. */
export interface ProcessPast {
  readonly tgid: number;
  /** Hash of the name that was given to exec; undefined: it is not known. */
  readonly name?: { readonly size: number; readonly hash: bigint };
  /** Bits of the trees that it is in. */
  readonly trees: bigint;
}

/**
 * Enters processes that were there before the programs; what those have entered themselves stays,
 * but for the trees, to which the given ones are added.
 *
 * @returns how many found no room.
 */
export function enterProcesses(map: BpfMap, processes: Iterable<ProcessPast>): number {
  let lost = 0;
  for (const process of processes) lost += enterProcess(map, process) ? 0 : 1;
  return lost;
}

function enterProcess(map: BpfMap, { tgid, name, trees }: ProcessPast): boolean {
  const key = new Uint8Array(new Uint32Array([tgid]).buffer);
  const there = map.lookup(key);
  const value = there ?? new Uint8Array(POLICY_PROCESS_SIZE);
  const view = new DataView(value.buffer);
  if (there === null && name !== undefined) {
    view.setBigUint64(Process.nameHash, name.hash, true);
    view.setUint32(Process.nameSize, name.size, true);
  }
  const before = view.getBigUint64(Process.trees, true);
  if (there !== null && (before | trees) === before) return true;
  view.setBigUint64(Process.trees, before | trees, true);
  try {
    map.update(key, value, there === null ? MapUpdate.noExist : MapUpdate.exist);
    return true;
  } catch {
    // It came, went, or found no room in this moment.
    return map.lookup(key) !== null;
  }
}
