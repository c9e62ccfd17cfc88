/**
 * Reads what a build must know of an ELF object: its sections and its symbols.
 *
 * A BPF object straight from clang has no offsets of its global variables in BTF (libbpf fills them
 * in when it opens the object), so they are taken from the symbol table, as libbpf does.
 *
 * @module
 */

/** A named piece of the file. */
export interface ElfSection {
  readonly name: string;
  readonly type: number;
  /** Position in the file, bytes. */
  readonly offset: number;
  readonly size: number;
  /** Index of the section this one refers to: the string table of a symbol table. */
  readonly link: number;
}

/** A symbol that stands in a section of the file. */
export interface ElfSymbol {
  readonly name: string;
  readonly section: string;
  /** Position in its section, bytes. */
  readonly offset: number;
  readonly size: number;
  readonly isObject: boolean;
  readonly isGlobal: boolean;
}

/** The parts of an ELF file. */
export interface ElfFile {
  readonly sections: readonly ElfSection[];
  readonly symbols: readonly ElfSymbol[];
}

const SECTION_HEADER_SIZE = 64;
const SYMBOL_SIZE = 24;
const SHT_SYMTAB = 2;
const STT_OBJECT = 1;
const STB_GLOBAL = 1;

/**
 * Parses a 64-bit little-endian ELF file, which BPF objects are on every machine we build on.
 *
 * @throws {RangeError} the file is cut short; `Error` when it is not such a file.
 */
export function readElf(bytes: Uint8Array): ElfFile {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  // Magic "\x7fELF", class 2 (64-bit), data 1 (little-endian).
  if (view.getUint32(0) !== 0x7f454c46 || view.getUint16(4) !== 0x0201) {
    throw new Error("Cannot read ELF file: it is not 64-bit little-endian ELF");
  }
  const table = Number(view.getBigUint64(0x28, true));
  const count = view.getUint16(0x3c, true);
  const namesIndex = view.getUint16(0x3e, true);
  const namesAt = Number(
    view.getBigUint64(table + namesIndex * SECTION_HEADER_SIZE + 0x18, true),
  );
  const sections: ElfSection[] = [];
  for (let i = 0; i < count; i++) {
    const at = table + i * SECTION_HEADER_SIZE;
    sections.push({
      name: textAt(bytes, namesAt + view.getUint32(at, true)),
      type: view.getUint32(at + 4, true),
      offset: Number(view.getBigUint64(at + 0x18, true)),
      size: Number(view.getBigUint64(at + 0x20, true)),
      link: view.getUint32(at + 0x28, true),
    });
  }
  return { sections, symbols: readSymbols(bytes, view, sections) };
}

function readSymbols(
  bytes: Uint8Array,
  view: DataView,
  sections: readonly ElfSection[],
): ElfSymbol[] {
  const symbols: ElfSymbol[] = [];
  const table = sections.find((section) => section.type === SHT_SYMTAB);
  if (table === undefined) return symbols;
  const strings = sections[table.link];
  for (let at = table.offset; at < table.offset + table.size; at += SYMBOL_SIZE) {
    const info = view.getUint8(at + 4);
    const section = sections[view.getUint16(at + 6, true)];
    // Index 0 is undefined; absolute and common symbols have indexes no section has.
    if (section === undefined || section.name === "") continue;
    symbols.push({
      name: textAt(bytes, (strings?.offset ?? 0) + view.getUint32(at, true)),
      section: section.name,
      offset: Number(view.getBigUint64(at + 8, true)),
      size: Number(view.getBigUint64(at + 16, true)),
      isObject: (info & 0xf) === STT_OBJECT,
      isGlobal: info >> 4 === STB_GLOBAL,
    });
  }
  return symbols;
}

function textAt(bytes: Uint8Array, at: number): string {
  const end = bytes.indexOf(0, at);
  return new TextDecoder().decode(bytes.subarray(at, end));
}
