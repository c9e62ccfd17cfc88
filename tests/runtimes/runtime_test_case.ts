/**
 * Tests that need root and the programs of a container runtime.
 *
 * @module
 */

/** A test. */
export interface RuntimeTest {
  readonly name: string;
  /** Absolute paths of programs it runs. */
  readonly programs: readonly string[];
  /** Why it cannot be run on this host although the programs are there. */
  readonly cannotRun?: () => string | undefined;
  run(): Promise<void>;
}

/** Registers it; where it cannot be run it is left out with a line on stderr. */
export function runtimeTest({ name, programs, cannotRun, run }: RuntimeTest): void {
  const missing = programs.find((path) => !isFile(path));
  const reason = Deno.uid() !== 0
    ? "not root"
    : missing !== undefined
    ? `"${missing}" is not installed`
    : cannotRun?.();
  if (reason !== undefined) console.error(`skip: ${name}: ${reason}`);
  Deno.test({ name, ignore: reason !== undefined, fn: run });
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
