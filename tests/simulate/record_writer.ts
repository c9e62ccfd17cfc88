/**
 * Records of the simulated host, as the BPF programs write them: copies of one of each shape, with
 * what differs written over it, because millions are made.
 *
 * @module
 */
import {
  CGROUP_CHANGE_SIZE,
  CgroupChangeOffset,
  CgroupRecordKind,
  ProcessExecOffset,
  ProcessExitOffset,
  ProcessFlag,
  ProcessForkOffset,
  ProcessNamespacesOffset,
  RECORD_HEADER_SIZE,
  RecordHeaderOffset as Header,
} from "../../src/wire/mod.ts";
import { buildExecRecord, buildExitRecord, buildForkRecord } from "../support/record_builder.ts";
import type { Box, Truth, TruthKind } from "./host_truth.ts";

/** Kind of the records that stand for matches of policies. */
export const HIT_KIND = 0x0301;

const CGROUP_KINDS: Partial<Record<TruthKind, number>> = {
  cgroup_created: CgroupRecordKind.CGROUP_CREATED_RECORD,
  cgroup_removed: CgroupRecordKind.CGROUP_REMOVED_RECORD,
  cgroup_released: CgroupRecordKind.CGROUP_RELEASED_RECORD,
  cgroup_attached: CgroupRecordKind.CGROUP_ATTACHED_RECORD,
};

const FORK = buildForkRecord({ header: {} });
const EXIT = buildExitRecord({});
const encoder = new TextEncoder();

/** Writes records. */
export class RecordWriter {
  readonly #execs = new Map<string, Uint8Array>();

  write(truth: Truth): Uint8Array<ArrayBuffer> {
    const bytes = this.#shape(truth);
    const view = new DataView(bytes.buffer);
    writeHeader(view, truth);
    switch (truth.kind) {
      case "fork":
        writeParent(view, truth, ProcessForkOffset);
        view.setUint32(ProcessForkOffset.parentTid, truth.parent?.tgid ?? 0, true);
        break;
      case "exec":
        writeParent(view, truth, ProcessExecOffset);
        view.setUint32(ProcessExecOffset.oldTid, truth.proc.tgid, true);
        break;
      case "exit":
        view.setUint32(ProcessExitOffset.exitCode, truth.exitCode, true);
        view.setUint32(ProcessExitOffset.lastTid, truth.proc.tgid, true);
    }
    if (!truth.isMalformed) return bytes;
    const cut = bytes.slice(0, RECORD_HEADER_SIZE + 4);
    new DataView(cut.buffer).setUint32(Header.size, cut.length, true);
    return cut;
  }

  #shape(truth: Truth): Uint8Array<ArrayBuffer> {
    switch (truth.kind) {
      case "fork":
        return FORK.slice();
      case "exit":
        return EXIT.slice();
      case "exec":
        return this.#execShape(truth.path).slice();
      case "hit": {
        const bytes = new Uint8Array(RECORD_HEADER_SIZE);
        const view = new DataView(bytes.buffer);
        view.setUint32(Header.size, bytes.length, true);
        view.setUint16(Header.kind, HIT_KIND, true);
        return bytes;
      }
      default:
        return cgroupRecord(truth.subject!, CGROUP_KINDS[truth.kind]!);
    }
  }

  #execShape(path: string): Uint8Array {
    const known = this.#execs.get(path);
    if (known !== undefined) return known;
    const made = buildExecRecord({ header: {} }, {
      ...{ filename: path, exe: path, argv: [path, "-x"], cwd: "/" },
    });
    this.#execs.set(path, made);
    return made;
  }
}

function cgroupRecord(box: Box, kind: number): Uint8Array<ArrayBuffer> {
  const [path, name] = [encoder.encode(box.path), encoder.encode(box.name)];
  const bytes = new Uint8Array(CGROUP_CHANGE_SIZE + path.length + name.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(Header.size, bytes.length, true);
  view.setUint16(Header.kind, kind, true);
  view.setBigUint64(CgroupChangeOffset.parentId, box.parent?.id ?? 0n, true);
  view.setBigUint64(CgroupChangeOffset.createdNs, box.createdNs, true);
  view.setUint32(CgroupChangeOffset.pathSize, path.length, true);
  view.setUint32(CgroupChangeOffset.nameSize, name.length, true);
  bytes.set(path, CGROUP_CHANGE_SIZE);
  bytes.set(name, CGROUP_CHANGE_SIZE + path.length);
  return bytes;
}

function writeHeader(view: DataView, { timeNs, cpu, proc, box, subject }: Truth): void {
  const place = subject ?? box;
  view.setBigUint64(Header.timeNs, timeNs, true);
  view.setBigUint64(Header.leaderStartNs, proc.startNs, true);
  view.setUint32(Header.cpu, cpu, true);
  view.setUint32(Header.tgid, proc.tgid, true);
  view.setUint32(Header.tid, proc.tgid, true);
  view.setUint32(Header.namespaceTgid, proc.tgid, true);
  view.setBigUint64(Header.cgroupId, place.id, true);
  view.setBigUint64(Header.trackingId, place.naming.id, true);
  view.setUint32(Header.cgroupLevel, place.level, true);
  view.setUint32(Header.cgroupHierarchy, 0, true);
}

function writeParent(
  view: DataView,
  { parent, namespaces }: Truth,
  at: typeof ProcessForkOffset | typeof ProcessExecOffset,
): void {
  view.setBigUint64(at.parentStartNs, parent?.startNs ?? 0n, true);
  view.setUint32(at.parentTgid, parent?.tgid ?? 0, true);
  const flags = parent === undefined ? ProcessFlag.PROCESS_PARENT_KERNEL : 0;
  view.setUint32(at.processFlags, flags, true);
  for (const [name, offset] of Object.entries(ProcessNamespacesOffset)) {
    view.setUint32(at.namespaces + offset, namespaceInode(name, namespaces), true);
  }
}

/** Containers share network and user namespaces with the host here. */
function namespaceInode(name: string, namespaces: number): number {
  return name === "pid" || name === "mnt" ? 4_026_000_000 + namespaces : 4_026_000_001;
}
