/**
 * Fields of a tracepoint's record, as tracefs tells them. Its programs are attached by tracefs too,
 * so where it is missing there is nothing to ask BTF for.
 *
 * @module
 */
import { join } from "node:path";

/** Where tracefs may be mounted. */
export const TRACEFS_PATHS: readonly string[] = [
  "/sys/kernel/tracing",
  "/sys/kernel/debug/tracing",
];

/** `enum policy_field_kind` of `policy_hooks.bpf.c`. */
export const FieldKind = { UNSIGNED: 1, SIGNED: 2, MEMORY: 3, DATA_LOC: 4, REL_LOC: 5 } as const;

/** A field, at its place in the order of the format file; policies name it by that. */
export interface TracepointField {
  readonly name: string;
  /** From the begin of the record, bytes. */
  readonly offset: number;
  readonly size: number;
  readonly kind: number;
}

/** `field:unsigned short common_type;	offset:0;	size:2;	signed:0;` */
const FIELD = /^\tfield:(.+?);\s*offset:(\d+);\s*size:(\d+);(?:\s*signed:(\d+);)?/gm;

/** Fields in the text of a format file. */
export function parseTracepointFormat(text: string): TracepointField[] {
  return [...text.matchAll(FIELD)].map(([, declaration = "", offset, size, signed]) => {
    const name = /(\w+)(?:\[.*\])?$/.exec(declaration)?.[1] ?? "";
    const kind = fieldKind(declaration, Number(size), signed === "1");
    return { name, offset: Number(offset), size: Number(size), kind };
  });
}

function fieldKind(declaration: string, size: number, isSigned: boolean): number {
  if (declaration.startsWith("__data_loc ")) return FieldKind.DATA_LOC;
  if (declaration.startsWith("__rel_loc ")) return FieldKind.REL_LOC;
  if (declaration.endsWith("]") || ![1, 2, 4, 8].includes(size)) return FieldKind.MEMORY;
  return isSigned ? FieldKind.SIGNED : FieldKind.UNSIGNED;
}

/** Tracepoints of the running kernel. */
export class Tracefs {
  /** Undefined: it is not mounted, or we may not look. */
  readonly root: string | undefined;

  constructor(paths: readonly string[] = TRACEFS_PATHS) {
    this.root = paths.find((path) => isFolder(join(path, "events")));
  }

  /** Undefined: there is no such tracepoint. */
  fields(subsystem: string, name: string): TracepointField[] | undefined {
    if (this.root === undefined) return undefined;
    const path = join(this.root, "events", subsystem, name, "format");
    try {
      return parseTracepointFormat(Deno.readTextFileSync(path));
    } catch {
      return undefined;
    }
  }

  /** Names of the subsystem's tracepoints; empty when there is no such subsystem. */
  names(subsystem: string): string[] {
    return this.#folders(`events/${subsystem}`);
  }

  subsystems(): string[] {
    return this.#folders("events");
  }

  #folders(path: string): string[] {
    if (this.root === undefined) return [];
    try {
      return Array.from(Deno.readDirSync(join(this.root, path)))
        .filter(({ isDirectory }) => isDirectory).map(({ name }) => name);
    } catch {
      return [];
    }
  }
}

function isFolder(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}
