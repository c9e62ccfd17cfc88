import { doesNotThrow, equal, throws } from "node:assert/strict";
import { RLIMIT_INFINITY } from "../../ffi/mod.ts";
import { OpenFilesError, openFilesNeeded, requireOpenFiles } from "./open_files.ts";

const withLimit = (soft: bigint) => ({ prlimit: () => ({ soft, hard: soft }) });

Deno.test("requireOpenFiles() refuses a limit below what the agent needs", () => {
  const needed = openFilesNeeded(2);
  throws(
    () => requireOpenFiles(withLimit(64n), 2),
    (error: unknown) => {
      const { limit, needed: wanted, errnoName } = error as OpenFilesError;
      equal(limit, 64n);
      equal(wanted, needed);
      equal(errnoName, "EMFILE");
      return error instanceof OpenFilesError;
    },
  );
  throws(() => requireOpenFiles(withLimit(BigInt(needed - 1)), 2), OpenFilesError);
  doesNotThrow(() => requireOpenFiles(withLimit(BigInt(needed)), 2));
  doesNotThrow(() => requireOpenFiles(withLimit(RLIMIT_INFINITY), 8192));
});
