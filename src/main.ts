/**
 * The program: arguments, and the exit code. Signals belong to the command that waits for them.
 *
 * @module
 */
import { runCli } from "./cli/mod.ts";

if (import.meta.main) {
  // What still runs after this (a worker, a timer of a library) must not hold the program.
  Deno.exit(await runCli(Deno.args));
}
