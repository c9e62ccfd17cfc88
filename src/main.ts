/**
 * The program: arguments, and the exit code. Signals belong to the command that waits for them.
 *
 * @module
 */
import { runCli } from "./cli/mod.ts";

if (import.meta.main) {
  // What still runs after this (a worker, a timer of a library) must not hold the program. No
  // top-level await: the bundle is a function (scripts/build/boot.ts).
  runCli(Deno.args).then((code) => Deno.exit(code));
}
