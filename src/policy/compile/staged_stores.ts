/**
 * Stores that wait until all of a change is known to fit, and then go out in the order that is safe
 * for calls that run meanwhile: what a thing refers to is there before the thing.
 *
 * @module
 */
import type { TableWriter } from "./table_writer.ts";

/** Order of stores of a change; within a stage they keep theirs. */
export const Stage = {
  /** Words of rows: of values and of bases. */
  ROWS: 0,
  /** Values to rows. */
  ENTRIES: 1,
  /** Arguments, dimensions and flags of hooks. */
  HOOKS: 2,
  /** Which dimensions are looked at. */
  DIM_LISTS: 3,
  EFFECTS: 4,
  /** Begins of groups of selectors, when the guards that end them are there. */
  STARTS: 5,
} as const;
export type Stage = typeof Stage[keyof typeof Stage];

type Store = (writer: TableWriter) => void;

/** The stores of one change. */
export class StagedStores {
  readonly #stages: Store[][] = Object.values(Stage).map(() => []);

  add(stage: Stage, store: Store): void {
    this.#stages[stage]!.push(store);
  }

  /** Does them, up to a stage and with it. */
  flush(writer: TableWriter, last: Stage = Stage.STARTS): void {
    for (const stores of this.#stages.slice(0, last + 1)) {
      for (const store of stores.splice(0)) store(writer);
    }
  }

  /** Forgets them. */
  discard(): void {
    for (const stores of this.#stages) stores.length = 0;
  }
}
