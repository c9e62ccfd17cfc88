import type {
  CgroupAttached,
  CgroupCreated,
  CgroupFactBase,
  CgroupReleased,
  CgroupRemoved,
  CgroupRenamed,
} from "../../events/mod.ts";
import {
  CGROUP_CHANGE_SIZE,
  CgroupChangeFlag,
  CgroupChangeOffset as Offset,
  CgroupEntryFlag,
  CgroupRecordKind,
  CgroupRecordLimit,
  RecordFlag,
  RecordHeaderOffset as Header,
  type RecordView,
} from "../../wire/mod.ts";
import type { RecordDecoder } from "../sensor.ts";
import { checkSize, readFactBase } from "../record_parts.ts";
import { TextReader } from "../text_reader.ts";

/** Facts that only say what has become of a cgroup. */
type Change = CgroupCreated | CgroupRemoved | CgroupReleased | CgroupRenamed;

/** Reads `struct cgroup_change` of the kinds that have nothing of their own. */
export class ChangeDecoder implements RecordDecoder {
  readonly kind: number;
  readonly name: Change["type"];
  readonly #parts: ChangeParts;

  constructor(kind: number, name: Change["type"]) {
    this.kind = kind;
    this.name = name;
    this.#parts = new ChangeParts(name);
  }

  /** @throws {RangeError} the sizes of path and name do not add up to the record's. */
  decode(record: RecordView): Change {
    return { ...this.#parts.read(record), type: this.name };
  }
}

/** Reads `struct cgroup_change` of a task that was moved. */
export class AttachedDecoder implements RecordDecoder {
  readonly kind = CgroupRecordKind.CGROUP_ATTACHED_RECORD;
  readonly name = "cgroup_attached";
  readonly #parts = new ChangeParts(this.name);

  /** @throws {RangeError} the sizes of path and name do not add up to the record's. */
  decode(record: RecordView): CgroupAttached {
    const parts = this.#parts.read(record);
    const flags = record.view.getUint32(record.offset + Offset.changeFlags, true);
    return {
      ...parts,
      type: this.name,
      isWholeGroup: (flags & CgroupChangeFlag.CGROUP_WHOLE_GROUP) !== 0,
      isTransfer: (flags & CgroupChangeFlag.CGROUP_TRANSFERRED) !== 0,
    };
  }
}

/** What all kinds have. */
class ChangeParts {
  readonly #name: string;
  readonly #texts = new TextReader();

  constructor(name: string) {
    this.#name = name;
  }

  read(record: RecordView): CgroupFactBase {
    const { view, bytes, offset } = record;
    if (record.size < CGROUP_CHANGE_SIZE) checkSize(this.#name, record, CGROUP_CHANGE_SIZE);
    const pathAt = offset + CGROUP_CHANGE_SIZE;
    const nameAt = pathAt + view.getUint32(offset + Offset.pathSize, true);
    const end = nameAt + view.getUint32(offset + Offset.nameSize, true);
    checkSize(this.#name, record, end - offset);
    const changeFlags = view.getUint32(offset + Offset.changeFlags, true);
    const entryFlags = view.getUint32(offset + Offset.entryFlags, true);
    const flags = view.getUint16(offset + Header.flags, true);
    return {
      ...readFactBase(record),
      parentId: view.getBigUint64(offset + Offset.parentId, true),
      createdNs: view.getBigUint64(offset + Offset.createdNs, true),
      path: this.#texts.text(bytes, pathAt, nameAt),
      isPathCut: nameAt - pathAt >= CgroupRecordLimit.CGROUP_TRACE_PATH_SIZE_MAX,
      name: this.#texts.text(bytes, nameAt, end),
      ...((changeFlags & CgroupChangeFlag.CGROUP_OVER_SHARE) !== 0 && { isOverShare: true }),
      isLeaf: (entryFlags & CgroupEntryFlag.CGROUP_LEAF) !== 0,
      isContainer: (entryFlags & CgroupEntryFlag.CGROUP_CONTAINER) !== 0,
      isTooDeep: (flags & RecordFlag.RECORD_CGROUP_TOO_DEEP) !== 0,
      actorTgid: view.getUint32(offset + Offset.actorTgid, true),
    };
  }
}
