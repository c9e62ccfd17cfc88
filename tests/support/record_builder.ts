/**
 * Writes records as the BPF programs do, by the generated offsets: the way back of the decoders.
 *
 * @module
 */
import {
  PROCESS_EXEC_SIZE,
  PROCESS_EXIT_SIZE,
  PROCESS_FORK_SIZE,
  ProcessCredentialsOffset,
  ProcessExecOffset,
  ProcessExitOffset,
  ProcessForkOffset,
  ProcessNamespacesOffset,
  ProcessRecordKind,
  RecordHeaderOffset,
} from "../../src/wire/mod.ts";

/** Fields of one C struct by name; what is not given is 0. */
export type FieldValues<Offsets> = { readonly [Name in keyof Offsets]?: number | bigint };

type Header = FieldValues<typeof RecordHeaderOffset>;
type Credentials = FieldValues<typeof ProcessCredentialsOffset>;
type Namespaces = FieldValues<typeof ProcessNamespacesOffset>;

/** What fork and exec records have in common. */
interface OwnedFields {
  readonly header: Header;
  readonly credentials?: Credentials;
  readonly namespaces?: Namespaces;
}

/** The byte strings of an exec record, in their order. */
export interface ExecStrings {
  readonly filename?: string | Uint8Array;
  readonly interpreter?: string | Uint8Array;
  /** Absolute path; written leaf first as the kernel side does. */
  readonly exe?: string;
  readonly cwd?: string;
  readonly argv?: readonly (string | Uint8Array)[];
  readonly environment?: readonly (string | Uint8Array)[];
}

const encoder = new TextEncoder();

/** `struct process_fork`. */
export function buildForkRecord(
  owned: OwnedFields,
  fields: FieldValues<typeof ProcessForkOffset> = {},
): Uint8Array {
  const bytes = new Uint8Array(PROCESS_FORK_SIZE);
  writeFields(bytes, 0, ProcessForkOffset, fields);
  writeOwned(bytes, owned, ProcessForkOffset);
  return withHeader(bytes, ProcessRecordKind.PROCESS_FORK, owned.header);
}

/** `struct process_exec` with its strings. */
export function buildExecRecord(
  owned: OwnedFields,
  strings: ExecStrings,
  fields: FieldValues<typeof ProcessExecOffset> = {},
): Uint8Array {
  const parts = [
    toBytes(strings.filename ?? ""),
    toBytes(strings.interpreter ?? ""),
    leafFirst(strings.exe ?? "/"),
    leafFirst(strings.cwd ?? "/"),
    terminated(strings.argv ?? []),
    terminated(strings.environment ?? []),
  ] as const;
  const bytes = new Uint8Array(
    parts.reduce((size, part) => size + part.length, PROCESS_EXEC_SIZE),
  );
  writeFields(bytes, 0, ProcessExecOffset, {
    argc: strings.argv?.length ?? 0,
    ...fields,
    filenameSize: parts[0].length,
    interpreterSize: parts[1].length,
    exeSize: parts[2].length,
    cwdSize: parts[3].length,
    argumentsSize: parts[4].length,
    environmentSize: parts[5].length,
  });
  let at = PROCESS_EXEC_SIZE;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  writeOwned(bytes, owned, ProcessExecOffset);
  return withHeader(bytes, ProcessRecordKind.PROCESS_EXEC, owned.header);
}

/** `struct process_exit`. */
export function buildExitRecord(
  header: Header,
  fields: FieldValues<typeof ProcessExitOffset> = {},
): Uint8Array {
  const bytes = new Uint8Array(PROCESS_EXIT_SIZE);
  writeFields(bytes, 0, ProcessExitOffset, fields);
  return withHeader(bytes, ProcessRecordKind.PROCESS_EXIT, header);
}

/** A record of nothing but a header, for the merge. */
export function buildBareRecord(header: Header, size = 64): Uint8Array {
  return withHeader(new Uint8Array(size), 0, header);
}

/** All records in one file: each says its own size. */
export function joinRecords(records: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(records.reduce((size, record) => size + record.length, 0));
  let at = 0;
  for (const record of records) {
    bytes.set(record, at);
    at += record.length;
  }
  return bytes;
}

/** The records of such a file, in its order. */
export function splitRecords(bytes: Uint8Array): Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const records: Uint8Array[] = [];
  let at = 0;
  while (at < bytes.length) {
    const size = view.getUint32(at + RecordHeaderOffset.size, true);
    if (size < 64 || at + size > bytes.length) {
      throw new RangeError(`Cannot split records: size ${size} at byte ${at} of ${bytes.length}`);
    }
    records.push(bytes.slice(at, at + size));
    at += size;
  }
  return records;
}

function withHeader(bytes: Uint8Array, kind: number, header: Header): Uint8Array {
  const tgid = header.tgid ?? 0;
  writeFields(bytes, 0, RecordHeaderOffset, {
    tid: tgid,
    namespaceTgid: tgid,
    kind,
    ...header,
    size: bytes.length,
  });
  return bytes;
}

function writeOwned(
  bytes: Uint8Array,
  owned: OwnedFields,
  at: { readonly credentials: number; readonly namespaces: number },
): void {
  writeFields(bytes, at.credentials, ProcessCredentialsOffset, owned.credentials ?? {});
  writeFields(bytes, at.namespaces, ProcessNamespacesOffset, owned.namespaces ?? {});
}

/**
 * A bigint field is 64 bits wide, a number as wide as the room up to the next field, 4 bytes at
 * most.
 */
function writeFields<Offsets extends Readonly<Record<string, number>>>(
  bytes: Uint8Array,
  base: number,
  offsets: Offsets,
  values: FieldValues<Offsets>,
): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const starts = Object.values(offsets);
  for (const [name, value] of Object.entries(values)) {
    const at = offsets[name];
    if (at === undefined) throw new Error(`no field "${name}"`);
    if (typeof value === "bigint") view.setBigUint64(base + at, value, true);
    else if (starts.includes(at + 2)) view.setUint16(base + at, value as number, true);
    else if (at % 4 === 2) view.setUint16(base + at, value as number, true);
    else view.setUint32(base + at, value as number, true);
  }
}

function toBytes(text: string | Uint8Array): Uint8Array {
  return typeof text === "string" ? encoder.encode(text) : text;
}

function leafFirst(path: string): Uint8Array {
  const names = path.split("/").filter((name) => name !== "").reverse();
  return encoder.encode(names.map((name) => `${name}\0`).join(""));
}

function terminated(texts: readonly (string | Uint8Array)[]): Uint8Array {
  return joinRecords(texts.flatMap((text) => [toBytes(text), Uint8Array.of(0)]));
}
