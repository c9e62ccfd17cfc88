/**
 * The symbol tables put together, and the types of what `Deno.dlopen` makes of them. Tests hand in
 * objects of the same type.
 *
 * @module
 */
import { CORE_SYMBOLS } from "./core.ts";
import { LIBC_SYMBOLS } from "./libc.ts";
import { LINK_SYMBOLS } from "./link.ts";
import { MAP_ELEMENT_SYMBOLS, MAP_SYMBOLS } from "./map.ts";
import { OBJECT_SYMBOLS } from "./object.ts";
import { PROGRAM_SYMBOLS } from "./program.ts";

export { LIBC_SYMBOLS, MAP_ELEMENT_SYMBOLS };
export { syscallNumbers } from "./syscall_numbers.ts";

/** Everything `openLibbpf()` needs. */
export const LIBBPF_SYMBOLS = {
  ...CORE_SYMBOLS,
  ...OBJECT_SYMBOLS,
  ...PROGRAM_SYMBOLS,
  ...MAP_SYMBOLS,
  ...LINK_SYMBOLS,
} as const;

export type LibbpfSymbols = Deno.DynamicLibrary<typeof LIBBPF_SYMBOLS>["symbols"];
export type MapElementSymbols = Deno.DynamicLibrary<typeof MAP_ELEMENT_SYMBOLS>["symbols"];
export type LibcSymbols = Deno.DynamicLibrary<typeof LIBC_SYMBOLS>["symbols"];
