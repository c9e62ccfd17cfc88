/**
 * What processes have from their past, in the kernel: names of their programs, and trees.
 *
 * @module
 */
import { type BpfMap, MapUpdate } from "../../ffi/mod.ts";
import type { KnownName, KnownPast } from "../policy/mod.ts";
import {
  POLICY_PROCESS_SIZE,
  PolicyNameOffset as Name,
  PolicyProcessOffset as Process,
} from "../wire/mod.ts";

/**
 * Enters processes that were there before the programs; what those have entered themselves stays,
 * but for the trees, to which the given ones are added.
 *
 * @returns how many found no room.
 */
export function enterProcesses(map: BpfMap, processes: Iterable<KnownPast>): number {
  let lost = 0;
  for (const process of processes) lost += enterProcess(map, process) ? 0 : 1;
  return lost;
}

function enterProcess(map: BpfMap, { tgid, file, given, trees }: KnownPast): boolean {
  const key = new Uint8Array(new Uint32Array([tgid]).buffer);
  const there = map.lookup(key);
  const value = there ?? new Uint8Array(POLICY_PROCESS_SIZE);
  const view = new DataView(value.buffer);
  if (there === null) {
    if (file !== undefined) setName(value, Process.file, file);
    if (given !== undefined) setName(value, Process.given, given);
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

function setName(row: Uint8Array<ArrayBuffer>, at: number, name: KnownName): void {
  const view = new DataView(row.buffer);
  view.setBigUint64(at + Name.hash, name.hash, true);
  view.setUint32(at + Name.size, name.size, true);
  row.set(name.front, at + Name.front);
  row.set(name.back, at + Name.back);
}
