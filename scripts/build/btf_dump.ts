/**
 * The exported types of a C header, as BTF describes them.
 *
 * @module
 */
import { basename, join } from "node:path";
import { runTool } from "./run_tool.ts";

/** A field of a struct. */
export interface BtfMember {
  readonly name: string;
  readonly type_id: number;
  readonly bits_offset: number;
  readonly bitfield_size?: number;
}

/** One type as `bpftool -j btf dump` prints it. */
export interface BtfType {
  readonly id: number;
  readonly kind: string;
  readonly name: string;
  readonly size?: number;
  readonly type_id?: number;
  readonly nr_elems?: number;
  readonly members?: readonly BtfMember[];
  readonly values?: readonly { readonly name: string; readonly val: number }[];
}

/**
 * Compiles a header alone with its exported types anchored and reads the BTF of the result.
 *
 * @param include folder with `wire_types.h`.
 * @param work folder for the object.
 */
export async function dumpBtf(header: string, include: string, work: string): Promise<BtfType[]> {
  const object = join(work, `${basename(header)}.types.o`);
  await runTool("clang", [
    ..."-target bpf -g -O2 -Wall -Werror -DEXPORT_TYPES -x c -c".split(" "),
    `-I${include}`,
    header,
    "-o",
    object,
  ]);
  const dump = await runTool(bpftoolPath(), ["-j", "btf", "dump", "file", object, "format", "raw"]);
  return (JSON.parse(dump) as { types: BtfType[] }).types;
}

/** Debian has bpftool in /usr/sbin, which is not on every PATH. */
function bpftoolPath(): string {
  for (const folder of (Deno.env.get("PATH") ?? "").split(":")) {
    if (isFile(`${folder}/bpftool`)) return "bpftool";
  }
  return "/usr/sbin/bpftool";
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
