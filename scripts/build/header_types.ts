/**
 * One wire header's types, checked and rendered as TypeScript.
 *
 * @module
 */
import type { BtfMember, BtfType } from "./btf_dump.ts";

/** A type that must not be put on the wire, or a record kind that must not be chosen. */
export class LayoutError extends Error {
  readonly hint = "wire headers hold the integers of wire_types.h, structs and arrays of them, " +
    "32-bit enums, and no padding";

  constructor(
    readonly header: string,
    readonly type: string,
    readonly member: string,
    why: string,
  ) {
    super(`Cannot export "${type}.${member}" of "${header}": ${why}`);
    this.name = "LayoutError";
  }
}

/** How a field is declared and read. */
interface Field {
  readonly ts: string;
  /** Bytes in the record. */
  readonly size: number;
  /** The expression that reads it, given its offset in the struct. */
  readonly read: (at: number) => string;
}

/** Scalar types of the wire: TypeScript type and DataView method. */
const SCALARS: Readonly<Record<string, { readonly ts: string; readonly get: string }>> = {
  u8: { ts: "number", get: "getUint8" },
  u16: { ts: "number", get: "getUint16" },
  u32: { ts: "number", get: "getUint32" },
  s32: { ts: "number", get: "getInt32" },
  u64: { ts: "bigint", get: "getBigUint64" },
  s64: { ts: "bigint", get: "getBigInt64" },
};

/** Blocks of kinds, and kinds in a block: RECORD_DROP_SLOT() in record.h has a row for each. */
const KIND_BLOCKS = 8;

/** The exported types of one header. */
export class HeaderTypes {
  readonly #path: string;
  readonly #byId: ReadonlyMap<number, BtfType>;
  readonly #exported: readonly BtfType[];

  /** @param path of the header below the root, as errors and doc comments name it. */
  constructor(path: string, types: readonly BtfType[]) {
    this.#path = path;
    this.#byId = new Map(types.map((type) => [type.id, type]));
    this.#exported = types
      .filter((type) => type.kind === "VAR" && type.name.startsWith("export_"))
      .map((anchor) => this.#type(this.#type(anchor.type_id).type_id));
  }

  /** Enters this header's record kinds into `kinds` (kind to header); refuses one that is taken. */
  claimKinds(kinds: Map<number, string>): void {
    for (const type of this.#exported) {
      if (type.kind !== "ENUM" || !type.name.endsWith("_record_kind")) continue;
      for (const { name, val } of type.values ?? []) {
        const owner = kinds.get(val);
        if (owner !== undefined) {
          throw new LayoutError(this.#path, type.name, name, `"${owner}" has kind ${val} too`);
        }
        if (val >> 8 >= KIND_BLOCKS || (val & 0xff) >= KIND_BLOCKS) {
          throw new LayoutError(this.#path, type.name, name, `kind ${val} is outside 8 x 8`);
        }
        kinds.set(val, this.#path);
      }
    }
  }

  /** The module text. `seen` holds types that an earlier module wrote (the shared header). */
  render(seen: Set<string>): string {
    const imports = new Set<string>();
    const parts: string[] = [];
    for (const type of this.#exported) {
      if (seen.has(type.name)) continue;
      seen.add(type.name);
      if (type.kind.startsWith("ENUM")) parts.push(this.#renderEnum(type));
      else parts.push(this.#renderStruct(type, imports));
    }
    const names = [...imports].filter((name) => !parts.some((part) => declares(part, name))).sort();
    const list = names.map((name) => /^[A-Z]/.test(name) ? `type ${name}` : name).join(", ");
    const head = names.length === 0 ? "" : `\nimport { ${list} } from "./record.ts";\n`;
    return head + parts.join("");
  }

  #renderEnum(type: BtfType): string {
    const name = pascal(type.name);
    const rows = (type.values ?? []).map((value) => {
      // With clang 14 bpftool prints wrong numbers for these; newer ones call them ENUM64.
      if (type.size !== 4 || !Number.isSafeInteger(value.val)) {
        throw new LayoutError(this.#path, type.name, value.name, "enum value beyond 32 bits");
      }
      return `  ${value.name}: ${value.val},\n`;
    });
    return `\n/** \`enum ${type.name}\` of \`${this.#path}\`. */\n` +
      `export const ${name} = {\n${rows.join("")}} as const;\n` +
      `export type ${name} = typeof ${name}[keyof typeof ${name}];\n`;
  }

  #renderStruct(type: BtfType, imports: Set<string>): string {
    const name = pascal(type.name);
    const size = type.size ?? 0;
    const fields: string[] = [];
    const offsets: string[] = [];
    const reads: string[] = [];
    let end = 0;
    for (const member of type.members ?? []) {
      const at = member.bits_offset / 8;
      if (member.bitfield_size) throw this.#refusal(type, member, "it is a bit-field");
      if (at !== end) throw this.#refusal(type, member, `hole of ${at - end} bytes before it`);
      const field = this.#field(type, member, imports);
      end = at + field.size;
      if (member.name.startsWith("_")) continue;
      const key = camel(member.name);
      offsets.push(`  ${key}: ${at},\n`);
      fields.push(`  readonly ${key}: ${field.ts};\n`);
      reads.push(`    ${key}: ${field.read(at)},\n`);
    }
    if (end !== size) {
      throw new LayoutError(this.#path, type.name, "(end)", `hole of ${size - end} bytes`);
    }
    return `\n/** Size of \`struct ${type.name}\` in bytes. */\n` +
      `export const ${type.name.toUpperCase()}_SIZE = ${size};\n` +
      `\n/** Offsets in \`struct ${type.name}\`, bytes. */\n` +
      `export const ${name}Offset = {\n${offsets.join("")}} as const;\n` +
      `\n/** \`struct ${type.name}\` of \`${this.#path}\`. */\n` +
      `export interface ${name} {\n${fields.join("")}}\n` +
      `\n/** Reads a \`struct ${type.name}\` that starts at byte \`at\`. */\n` +
      `export function read${name}(view: DataView, at: number): ${name} {\n` +
      `  return {\n${reads.join("")}  };\n}\n`;
  }

  #field(owner: BtfType, member: BtfMember, imports: Set<string>): Field {
    const type = this.#type(member.type_id);
    const isArray = type.kind === "ARRAY";
    const element = isArray ? this.#type(type.type_id) : type;
    const field = this.#element(element, imports);
    if (field === undefined) {
      const what = `${element.kind} ${element.name}`;
      throw this.#refusal(
        owner,
        member,
        isArray ? `array of ${what}` : `${what} is not a wire type`,
      );
    }
    if (!isArray) return field;
    const indexes = [...Array(type.nr_elems ?? 0).keys()];
    return {
      ts: `readonly ${field.ts}[]`,
      size: field.size * indexes.length,
      read: (at) => `[${indexes.map((i) => field.read(at + i * field.size)).join(", ")}]`,
    };
  }

  /** What is not an array. */
  #element(type: BtfType, imports: Set<string>): Field | undefined {
    if (type.kind !== "STRUCT") return this.#scalar(type);
    const name = pascal(type.name);
    imports.add(name).add(`read${name}`);
    return { ts: name, size: type.size ?? 0, read: (at) => `read${name}(view, at + ${at})` };
  }

  /** The typedefs of wire_types.h; a plain C integer is none: its size depends on the compiler. */
  #scalar(type: BtfType): Field | undefined {
    const scalar = type.kind === "TYPEDEF" ? SCALARS[type.name] : undefined;
    if (scalar === undefined) return undefined;
    const size = this.#type(type.type_id).size ?? 0;
    const little = size > 1 ? ", true" : "";
    return { ts: scalar.ts, size, read: (at) => `view.${scalar.get}(at + ${at}${little})` };
  }

  #refusal(type: BtfType, member: BtfMember, why: string): LayoutError {
    return new LayoutError(this.#path, type.name, member.name, why);
  }

  #type(id: number | undefined): BtfType {
    const type = id === undefined ? undefined : this.#byId.get(id);
    if (type === undefined) throw new Error(`Cannot read BTF of "${this.#path}": no type ${id}`);
    return type;
  }
}

function declares(text: string, name: string): boolean {
  return text.includes(`export interface ${name} `) || text.includes(`export function ${name}(`);
}

function pascal(name: string): string {
  return name.split("_").map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join("");
}

function camel(name: string): string {
  const text = pascal(name);
  return text.charAt(0).toLowerCase() + text.slice(1);
}
