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

Deno.test("openStdoutWriter() asks for the count of bytes where it is a regular file", async () => {
  const stdout = { write: () => Promise.resolve(2), writeSync: () => 2, isTerminal: () => false };
  const writeFile = () => Promise.resolve(1);
  const bytes = new Uint8Array(2);
  const path = await Deno.makeTempFile();
  assert.equal(await openStdoutWriter({ stdout, writeFile, path }).write(bytes), 1);
  assert.equal(await openStdoutWriter({ stdout, writeFile, path: "/dev/null" }).write(bytes), 2);
  await Deno.remove(path);
});
