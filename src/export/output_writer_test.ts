import assert from "node:assert/strict";
import { openStdoutWriter } from "./output_writer.ts";

Deno.test("openStdoutWriter() trusts poll for pipes only", () => {
  const stdout = {
    write: (bytes: Uint8Array) => Promise.resolve(bytes.length),
    writeSync: (bytes: Uint8Array) => bytes.length,
    isTerminal: () => false,
  };
  const path = Deno.makeTempFileSync();
  let ready = true;
  const pollWritable = () => ready;
  const file = openStdoutWriter({ stdout, pollWritable, path });
  assert.equal(file.roomNow(), 0);
  Deno.removeSync(path);
  assert.equal(openStdoutWriter({ stdout, pollWritable, path }).roomNow(), 0);
  using pipe = openPipe();
  const writer = openStdoutWriter({ stdout, pollWritable, path: pipe.path });
  assert.equal(writer.roomNow(), 4096);
  ready = false;
  assert.equal(writer.roomNow(), 0);
  assert.equal(openStdoutWriter({ stdout, path: pipe.path }).roomNow(), 0);
  const terminal = { ...stdout, isTerminal: () => true };
  ready = true;
  assert.equal(openStdoutWriter({ stdout: terminal, pollWritable, path: pipe.path }).roomNow(), 0);
});

/** A named pipe that nobody opens. */
function openPipe() {
  const folder = Deno.makeTempDirSync();
  const path = `${folder}/pipe`;
  const { success } = new Deno.Command("mkfifo", { args: [path] }).outputSync();
  assert.ok(success);
  return { path, [Symbol.dispose]: () => Deno.removeSync(folder, { recursive: true }) };
}
