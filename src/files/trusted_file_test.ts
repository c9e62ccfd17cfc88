import assert from "node:assert/strict";
import { readTrustedBytes, readTrustedFile, trustedOwners, UntrustedError } from "./mod.ts";

const LIMITS = { sizeMax: 1000, owners: trustedOwners() };
const OTHER_UID = 4_000_000;

function inFolder(test: (folder: string) => void): void {
  const folder = Deno.makeTempDirSync({ prefix: "shrike-files-" });
  try {
    test(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

function makeFifo(path: string): void {
  assert.equal(new Deno.Command("mkfifo", { args: [path] }).outputSync().code, 0);
}

function read(path: string): string {
  return new TextDecoder().decode(readTrustedBytes(path, LIMITS));
}

function refused(path: string, state: RegExp, place = path): void {
  assert.throws(() => read(path), (error) => {
    assert.ok(error instanceof UntrustedError, String(error));
    assert.match(error.state, state);
    assert.equal(error.path, place);
    return true;
  });
}

Deno.test("readTrustedBytes() reads a file of its owner, also through links, and /dev/null", () =>
  inFolder((folder) => {
    Deno.mkdirSync(`${folder}/a`);
    Deno.writeTextFileSync(`${folder}/a/file`, "text", { mode: 0o644 });
    Deno.symlinkSync("a", `${folder}/b`);
    Deno.symlinkSync("../b/./file", `${folder}/a/link`);
    for (const path of ["a/file", "b/file", "a/link", "b/../a/file"]) {
      assert.equal(read(`${folder}/${path}`), "text", path);
    }
    assert.equal(read("/dev/null"), "");
    for (const path of [`${folder}/none`, `${folder}/none/file`]) {
      assert.throws(() => read(path), { code: "ENOENT" });
    }
  }));

Deno.test("readTrustedBytes() refuses what others may write, at each place of the way", () =>
  inFolder((folder) => {
    const file = `${folder}/a/b/file`;
    Deno.mkdirSync(`${folder}/a/b`, { recursive: true });
    Deno.writeTextFileSync(file, "text", { mode: 0o644 });
    Deno.symlinkSync("a/b/file", `${folder}/link`);
    for (const mode of [0o646, 0o664]) {
      Deno.chmodSync(file, mode);
      refused(file, /others may write/);
      refused(`${folder}/link`, /others may write/);
    }
    Deno.chmodSync(file, 0o644);
    for (const place of [`${folder}/a`, `${folder}/a/b`]) {
      for (const mode of [0o777, 0o775]) {
        Deno.chmodSync(place, mode);
        refused(file, /may be changed by others/, place);
        refused(`${folder}/link`, /may be changed by others/, place);
      }
      Deno.chmodSync(place, 0o755);
    }
    assert.equal(read(file), "text");
  }));

Deno.test("readTrustedBytes() goes by the owner too, of files, directories and in /tmp", {
  ignore: Deno.uid() !== 0,
}, () =>
  inFolder((folder) => {
    Deno.mkdirSync(`${folder}/a`);
    Deno.writeTextFileSync(`${folder}/a/file`, "text", { mode: 0o644 });
    Deno.chownSync(`${folder}/a/file`, OTHER_UID, 0);
    refused(`${folder}/a/file`, /belongs to uid 4000000/);
    Deno.chownSync(`${folder}/a/file`, 0, 0);
    Deno.chownSync(`${folder}/a`, OTHER_UID, 0);
    refused(`${folder}/a/file`, /belongs to uid 4000000/, `${folder}/a`);
    Deno.chmodSync(folder, 0o1777);
    refused(`${folder}/a/file`, /in a directory that anybody may write to/, `${folder}/a`);
    Deno.chownSync(`${folder}/a`, 0, 0);
    assert.equal(read(`${folder}/a/file`), "text");
  }));

Deno.test("readTrustedBytes() does not wait, and reads no more than it may", () =>
  inFolder((folder) => {
    makeFifo(`${folder}/fifo`);
    refused(`${folder}/fifo`, /not a regular file/);
    refused("/dev/zero", /not a regular file/);
    refused(folder, /not a regular file/);
    Deno.writeTextFileSync(`${folder}/large`, "x".repeat(1001));
    refused(`${folder}/large`, /1001 bytes, 1000 are allowed/);
    Deno.symlinkSync("loop", `${folder}/loop`);
    refused(`${folder}/loop`, /too many links/);
  }));

Deno.test("readTrustedFile() refuses links and FIFOs", () =>
  inFolder((folder) => {
    makeFifo(`${folder}/fifo`);
    Deno.writeTextFileSync(`${folder}/file`, "text");
    Deno.symlinkSync("file", `${folder}/link`);
    assert.throws(() => readTrustedFile(`${folder}/fifo`, LIMITS), /not a regular file/);
    assert.throws(() => readTrustedFile(`${folder}/link`, LIMITS), /symbolic link/);
    assert.throws(() => readTrustedFile(`${folder}/none`, LIMITS), Deno.errors.NotFound);
    assert.equal(readTrustedFile(`${folder}/file`, LIMITS).text, "text");
  }));

Deno.test("readTrustedFile() refuses files in directories that others may change", () =>
  inFolder((folder) => {
    Deno.mkdirSync(`${folder}/a/b`, { recursive: true });
    Deno.writeTextFileSync(`${folder}/a/b/file`, "text", { mode: 0o600 });
    Deno.chmodSync(`${folder}/a`, 0o777);
    assert.throws(() => readTrustedFile(`${folder}/a/b/file`, LIMITS), {
      name: "UntrustedError",
      path: `${folder}/a`,
    });
  }));
