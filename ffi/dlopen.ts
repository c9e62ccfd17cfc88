/**
 * Opening a shared library.
 *
 * @module
 */
import { LibraryError } from "./errors.ts";

/**
 * `Deno.dlopen` with our error.
 *
 * @throws {LibraryError} the file cannot be loaded or lacks a symbol.
 */
export function dlopen<Table extends Deno.ForeignLibraryInterface>(
  path: string,
  table: Table,
): Deno.DynamicLibrary<Table> {
  try {
    return Deno.dlopen(path, table);
  } catch (error) {
    const found = error instanceof Error ? error.message : String(error);
    throw new LibraryError(path, found, "build it again with deno task build", { cause: error });
  }
}
