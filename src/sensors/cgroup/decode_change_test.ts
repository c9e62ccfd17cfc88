import assert from "node:assert/strict";
import {
  CGROUP_CHANGE_SIZE,
  CgroupChangeFlag,
  CgroupChangeOffset as Offset,
  CgroupEntryFlag,
  CgroupRecordKind,
  RecordFlag,
  RecordHeaderOffset as Header,
  RecordView,
} from "../../wire/mod.ts";
import { AttachedDecoder, ChangeDecoder } from "./decode_change.ts";
import { cgroupSensor } from "./sensor.ts";

interface Fields {
  readonly path: string;
  readonly name?: string;
  readonly flags?: number;
  readonly entryFlags?: number;
  readonly changeFlags?: number;
  readonly pathSize?: number;
}

/** A record behind some bytes of another one, as in a ring. */
function record(kind: number, fields: Fields): RecordView {
  const path = new TextEncoder().encode(fields.path);
  const name = new TextEncoder().encode(
    fields.name ?? fields.path.slice(fields.path.lastIndexOf("/") + 1),
  );
  const at = 8;
  const size = CGROUP_CHANGE_SIZE + path.length + name.length;
  const bytes = new Uint8Array(at + size);
  const view = new DataView(bytes.buffer);
  view.setUint32(at + Header.size, size, true);
  view.setUint16(at + Header.kind, kind, true);
  view.setUint16(at + Header.flags, fields.flags ?? 0, true);
  view.setBigUint64(at + Header.timeNs, 77n, true);
  view.setBigUint64(at + Header.leaderStartNs, 5n, true);
  view.setUint32(at + Header.cpu, 3, true);
  view.setUint32(at + Header.tgid, 40, true);
  view.setUint32(at + Header.tid, 41, true);
  view.setUint32(at + Header.namespaceTgid, 4, true);
  view.setBigUint64(at + Header.cgroupId, 2n ** 40n, true);
  view.setBigUint64(at + Header.trackingId, 9n, true);
  view.setUint32(at + Header.cgroupLevel, 2, true);
  view.setUint32(at + Header.cgroupHierarchy, 6, true);
  view.setBigUint64(at + Offset.parentId, 8n, true);
  view.setBigUint64(at + Offset.createdNs, 70n, true);
  view.setUint32(at + Offset.entryFlags, fields.entryFlags ?? 0, true);
  view.setUint32(at + Offset.changeFlags, fields.changeFlags ?? 0, true);
  view.setUint32(at + Offset.actorTgid, 39, true);
  view.setUint32(at + Offset.pathSize, fields.pathSize ?? path.length, true);
  view.setUint32(at + Offset.nameSize, name.length, true);
  bytes.set(path, at + CGROUP_CHANGE_SIZE);
  bytes.set(name, at + CGROUP_CHANGE_SIZE + path.length);
  const cursor = new RecordView();
  cursor.set(bytes, view, at, size);
  return cursor;
}

const created = new ChangeDecoder(CgroupRecordKind.CGROUP_CREATED_RECORD, "cgroup_created");

Deno.test("ChangeDecoder reads who, what and where", () => {
  const flags = CgroupEntryFlag.CGROUP_LEAF | CgroupEntryFlag.CGROUP_CONTAINER;
  assert.deepEqual(created.decode(record(created.kind, { path: "/a/b", entryFlags: flags })), {
    ...{ type: "cgroup_created", timeNs: 77n, cpu: 3, tgid: 40, tid: 41, namespaceTgid: 4 },
    ...{ leaderStartNs: 5n, parentId: 8n, createdNs: 70n, actorTgid: 39 },
    cgroup: { id: 2n ** 40n, trackingId: 9n, level: 2, hierarchy: 6 },
    path: { text: "/a/b" },
    name: { text: "b" },
    ...{ isPathCut: false, isLeaf: true, isContainer: true, isTooDeep: false },
  });
});

Deno.test("ChangeDecoder marks paths that the kernel has cut and cgroups that are too deep", () => {
  const path = `/${"x".repeat(1022)}`;
  const flags = RecordFlag.RECORD_CGROUP_TOO_DEEP;
  const fact = created.decode(record(created.kind, { path, name: "leaf", flags }));
  assert.equal(fact.isPathCut, true);
  assert.equal(fact.isTooDeep, true);
  assert.equal(fact.name.text, "leaf");
});

Deno.test("ChangeDecoder throws when the sizes of its strings do not fit the record", () => {
  for (const pathSize of [3, 5, 0xffff_fff0]) {
    const wrong = record(created.kind, { path: "/a/b", pathSize });
    assert.throws(() => created.decode(wrong), RangeError);
  }
  const short = record(created.kind, { path: "/a" });
  short.size = CGROUP_CHANGE_SIZE - 1;
  assert.throws(() => created.decode(short), RangeError);
});

Deno.test("AttachedDecoder tells whole groups, threads and transfers apart", () => {
  const decoder = new AttachedDecoder();
  const read = (changeFlags: number) => {
    const fact = decoder.decode(record(decoder.kind, { path: "/", name: "", changeFlags }));
    return [fact.isWholeGroup, fact.isTransfer];
  };
  assert.deepEqual(read(CgroupChangeFlag.CGROUP_WHOLE_GROUP), [true, false]);
  assert.deepEqual(read(CgroupChangeFlag.CGROUP_TRANSFERRED), [false, true]);
  assert.deepEqual(read(0), [false, false]);
});

Deno.test("cgroupSensor has a decoder for each kind, and globals from its settings", () => {
  const kinds = Object.values(CgroupRecordKind).sort();
  assert.deepEqual(cgroupSensor.decoders.map(({ kind }) => kind).sort(), kinds);
  assert.deepEqual(cgroupSensor.globals({ cgroup_source: 2, cgroup_hierarchy: 4, agent_tgid: 7 }), {
    ...{ cgroup_source: 2, cgroup_hierarchy: 4 },
    ...{ report_attach: false, agent_tgid: 7, agent_pid_ns: 0 },
  });
});
