/**
 * Enums of the running kernel, from its BTF.
 *
 * @module
 */
import { KERNEL_BTF_PATH } from "./kernel_features.ts";

/** `struct btf_header` and `struct btf_type` (uapi/linux/btf.h); offsets of u32 fields, bytes. */
const HEADER = { headerSize: 4, types: 8, typesSize: 12, strings: 16, stringsSize: 20 } as const;
const TYPE_SIZE = 12;
const BTF_MAGIC = 0xeb9f;
const KIND_ENUM = 6;

/** What follows a type of each kind: bytes, and bytes per member. Kinds without an entry: none. */
const KIND_EXTRA: Readonly<Record<number, readonly [number, number]>> = {
  1: [4, 0], // INT
  3: [12, 0], // ARRAY
  4: [0, 12], // STRUCT
  5: [0, 12], // UNION
  6: [0, 8], // ENUM
  13: [0, 8], // FUNC_PROTO
  14: [4, 0], // VAR
  15: [0, 12], // DATASEC
  17: [4, 0], // DECL_TAG
  19: [0, 12], // ENUM64
};
/** ENUM64; a kind behind it has a size that we do not know. */
const KIND_MAX = 19;

/**
 * The members of a 32-bit enum by name; undefined when there is none of this name.
 *
 * @throws {RangeError} it is no BTF of this byte order, or has types newer than this program.
 */
export function readBtfEnum(btf: Uint8Array, name: string): Map<string, number> | undefined {
  const view = new DataView(btf.buffer, btf.byteOffset, btf.byteLength);
  if (btf.length < 24 || view.getUint16(0, true) !== BTF_MAGIC) {
    throw new RangeError("Cannot read BTF: it is no BTF of this byte order");
  }
  const base = view.getUint32(HEADER.headerSize, true);
  const strings = btf.subarray(base + view.getUint32(HEADER.strings, true));
  const end = base + view.getUint32(HEADER.types, true) + view.getUint32(HEADER.typesSize, true);
  const wanted = findString(strings, name);
  if (wanted < 0) return undefined;
  for (let at = base + view.getUint32(HEADER.types, true); at < end;) {
    const info = view.getUint32(at + 4, true);
    const [kind, memberCount] = [(info >>> 24) & 0x1f, info & 0xffff];
    if (kind === KIND_ENUM && view.getUint32(at, true) === wanted) {
      return readMembers(view, strings, at + TYPE_SIZE, memberCount);
    }
    if (kind > KIND_MAX) throw new RangeError(`Cannot read BTF: type of unknown kind ${kind}`);
    const [size, memberSize] = KIND_EXTRA[kind] ?? [0, 0];
    at += TYPE_SIZE + size + memberCount * memberSize;
  }
  return undefined;
}

function readMembers(
  view: DataView,
  strings: Uint8Array,
  offset: number,
  count: number,
): Map<string, number> {
  const members = new Map<string, number>();
  for (let at = offset; at < offset + count * 8; at += 8) {
    const text = strings.subarray(view.getUint32(at, true));
    members.set(
      new TextDecoder().decode(text.subarray(0, text.indexOf(0))),
      view.getInt32(at + 4, true),
    );
  }
  return members;
}

/** Offset of a whole string; each is there once. */
function findString(strings: Uint8Array, name: string): number {
  const text = new TextEncoder().encode(`\0${name}\0`);
  for (let at = strings.indexOf(0); at >= 0; at = strings.indexOf(0, at + 1)) {
    if (text.every((byte, i) => strings[at + i] === byte)) return at + 1;
  }
  return -1;
}

const SUBSYSTEM_SUFFIX = "_cgrp_id";

/**
 * Indexes of the cgroup controllers in the running kernel's arrays (`css_set.subsys[]`), by their
 * v1 names; undefined when its BTF cannot be read.
 */
export function readCgroupSubsystems(path = KERNEL_BTF_PATH): Map<string, number> | undefined {
  let members: Map<string, number> | undefined;
  try {
    members = readBtfEnum(Deno.readFileSync(path), "cgroup_subsys_id");
  } catch {
    return undefined;
  }
  if (members === undefined) return undefined;
  const indexes = new Map<string, number>();
  for (const [member, index] of members) {
    if (!member.endsWith(SUBSYSTEM_SUFFIX)) continue;
    const name = member.slice(0, -SUBSYSTEM_SUFFIX.length);
    // v2 renamed it; the enum has the new name, v1 keeps the old one.
    indexes.set(name === "io" ? "blkio" : name, index);
  }
  return indexes;
}
