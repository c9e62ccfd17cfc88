/**
 * Benches that tests use one after the other. To load the sensors is most of what a small test
 * takes, under emulation seconds; a shared bench is loaded once, runs while a test has it, and is
 * closed after the last test of the process.
 *
 * @module
 */
import { countDescriptors, expectDescriptors } from "./leak_check.ts";

/** What can be started and stopped again. */
export interface ReusableBench {
  /** Programs run from here on; nothing that a test before left behind shows. */
  start(): void;
  /** Nothing runs any more. */
  stop(): void | Promise<void>;
  /** Frees everything; after it there is no start. */
  close(): void;
}

interface SharedState {
  readonly bench: ReusableBench;
  isTaken: boolean;
}

const shared = new Map<string, SharedState>();

/**
 * The bench that all tests share that want one of this kind, started. The caller gives it back with
 * `release()`.
 *
 * @param key names the kind: class and settings
 * @param make makes one that is not started
 * @throws {Error} a test has it and did not give it back.
 */
export function takeShared<B extends ReusableBench>(key: string, make: () => B): B {
  let state = shared.get(key);
  if (state === undefined) {
    const before = countDescriptors();
    state = { bench: make(), isTaken: false };
    expectDescriptors(before);
    shared.set(key, state);
  }
  if (state.isTaken) throw new Error(`The bench "${key}" is in use`);
  state.isTaken = true;
  state.bench.start();
  // The same key always has the same maker.
  return state.bench as B;
}

/**
 * Ends a test's use of a bench: one of its own is closed, a shared one given back. One that does
 * not stop is of no use to the next test.
 */
export function release(bench: ReusableBench): void | Promise<void> {
  const state = [...shared.values()].find((state) => state.bench === bench);
  if (state === undefined) return bench.close();
  const stopped = bench.stop();
  if (stopped === undefined) state.isTaken = false;
  else return stopped.then(() => void (state.isTaken = false));
}

Deno.test.afterAll(() => {
  for (const { bench } of shared.values()) bench.close();
  shared.clear();
});
