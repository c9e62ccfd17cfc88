import assert from "node:assert/strict";
import { readReport } from "./guest_scripts.ts";

const NONCE = "5c1f";

Deno.test("readReport() keeps output, files and exit code apart", () => {
  const report = readReport(
    [
      "@@5c1f start 1.65",
      "hello",
      "@@other exit 9",
      "@@5c1f file /run/a b.bin",
      "AAEC",
      "/w==",
      "@@5c1f end",
      "@@5c1f exit 3",
      "",
    ].join("\n"),
    NONCE,
  );
  assert.equal(report.exitCode, 3);
  assert.equal(report.startedAtSeconds, 1.65);
  assert.equal(report.output, "hello\n@@other exit 9");
  assert.deepEqual([...report.files], [["/run/a b.bin", new Uint8Array([0, 1, 2, 255])]]);
});

Deno.test("readReport() has no exit code and no file when the guest ended early", () => {
  const report = readReport("@@5c1f start 2\nhalf\n@@5c1f file /run/a\nAAEC", NONCE);
  assert.equal(report.exitCode, null);
  assert.equal(report.output, "half");
  assert.equal(report.files.size, 0);
});
