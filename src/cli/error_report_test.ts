import assert from "node:assert/strict";
import { ConfigError } from "../config/mod.ts";
import { reportError, UsageError } from "./error_report.ts";
import { EXIT_CODE_TEXTS, ExitCode } from "./exit_codes.ts";

const QUIET = { withTrace: false };

function failure(fields: object, cause?: unknown): Error {
  return Object.assign(new Error("Cannot x", { cause }), { hint: "do y", ...fields });
}

Deno.test("reportError() gives every mistake of a config its own lines", () => {
  const error = new ConfigError([
    { place: "/x.yaml:1:2", reason: 'unknown key "\x1b"', hint: "did you mean a?" },
    { place: "--pid", reason: '"x" is not a whole number', hint: "use 1" },
  ]);
  assert.deepEqual(reportError(error, QUIET), {
    lines: [
      'shrike: Cannot use "/x.yaml:1:2": unknown key "\\x1b"',
      "hint: did you mean a?",
      'shrike: Cannot use "--pid": "x" is not a whole number',
      "hint: use 1",
    ],
    exitCode: ExitCode.usage,
  });
});

Deno.test("reportError() finds the exit code in the error or in what caused it", () => {
  const cases: [unknown, ExitCode][] = [
    [new UsageError("Cannot read", "see help"), ExitCode.usage],
    [failure({ errnoName: "EPERM" }), ExitCode.notPermitted],
    [failure({ errnoName: "EACCES" }), ExitCode.notPermitted],
    [failure({ code: "ENOMEM" }), ExitCode.noMemory],
    [failure({ errnoName: "EINVAL" }), ExitCode.failure],
    [failure({ feature: "btf" }), ExitCode.notSupported],
    [failure({}, failure({ errnoName: "EPERM" })), ExitCode.notPermitted],
    [new Error("bug"), ExitCode.failure],
    ["a string", ExitCode.failure],
    [undefined, ExitCode.failure],
  ];
  for (const [error, exitCode] of cases) {
    assert.equal(reportError(error, QUIET).exitCode, exitCode, String(error));
  }
});

Deno.test("reportError() takes text and hint of the first error that has a hint", () => {
  const inner = failure({ hint: "mount it" });
  const outer = new Error("wrapped", { cause: inner });
  assert.deepEqual(reportError(outer, QUIET).lines, ["shrike: Cannot x", "hint: mount it"]);
});

Deno.test("reportError() survives causes that go round", () => {
  const error = new Error("round") as Error & { cause: unknown };
  error.cause = error;
  assert.equal(reportError(error, { withTrace: true }).exitCode, ExitCode.failure);
});

Deno.test("EXIT_CODE_TEXTS explains each exit code once", () => {
  assert.deepEqual(EXIT_CODE_TEXTS.map(([code]) => code), Object.values(ExitCode));
});
