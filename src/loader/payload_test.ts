import assert from "node:assert/strict";
import { openPayload, PayloadError } from "./payload.ts";

Deno.test("openPayload() finds the files of a checkout", () => {
  const payload = openPayload();
  assert.deepEqual([payload.form, payload.start], ["source", null]);
  assert(payload.libbpfPath().endsWith("/.out/libbpf.so"));
  assert(Deno.statSync(new URL(payload.workerUrl())).isFile);
});

Deno.test("Payload.read() names the file that is missing and says what to do", () => {
  assert.throws(() => openPayload().read("bpf/nothing.bpf.o"), (error) => {
    assert(error instanceof PayloadError);
    assert.equal(error.file, "bpf/nothing.bpf.o");
    assert.match(error.hint, /deno task build/);
    return true;
  });
});
