/**
 * What an opened object and its parts hold in common.
 *
 * @module
 */
import type { ErrnoReader } from "./errno.ts";
import type { LibbpfSymbols } from "./symbols/mod.ts";

/** What an object, its programs, maps and links share. */
export interface ObjectState {
  readonly symbols: LibbpfSymbols;
  readonly errno: ErrnoReader;
  readonly possibleCpuCount: () => number;
  /** Links that were made and not disposed. */
  readonly links: Set<Disposable>;
  phase: "open" | "loaded" | "closed";
}
