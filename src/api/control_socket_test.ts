import assert from "node:assert/strict";
import { ControlSocket } from "./control_socket.ts";
import { ControlError } from "./control_error.ts";

async function inFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = Deno.makeTempDirSync({ prefix: "shrike-control-" });
  try {
    await test(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

function modeOf(path: string): number {
  return Deno.statSync(path).mode! & 0o777;
}

/** A socket on which nobody listens any more, as a killed agent leaves it. */
function leaveSocket(path: string): void {
  const work = `${path}.work`;
  const listener = Deno.listen({ transport: "unix", path: work });
  // Closing may remove the file by the name it was made with.
  Deno.linkSync(work, path);
  listener.close();
}

Deno.test("ControlSocket.claim() makes the directory for the owner alone", () =>
  inFolder(async (folder) => {
    const before = Deno.umask(0);
    try {
      using claimed = await ControlSocket.claim(`${folder}/shrike/c.sock`);
      assert.equal(claimed.path, `${folder}/shrike/c.sock`);
      assert.equal(modeOf(`${folder}/shrike`), 0o700);
      assert.equal(modeOf(`${folder}/shrike/c.sock.lock`), 0o600);
    } finally {
      Deno.umask(before);
    }
    assert.deepEqual([...Deno.readDirSync(`${folder}/shrike`)], []);
  }));

Deno.test("ControlSocket.claim() leaves a place to who has it, until that ends", () =>
  inFolder(async (folder) => {
    const path = `${folder}/c.sock`;
    const first = await ControlSocket.claim(path);
    await assert.rejects(ControlSocket.claim(path), (error: ControlError) => {
      assert.equal(error.message, `Cannot listen on "${path}": another agent listens there`);
      assert.match(error.hint, /--control-socket/);
      return error instanceof ControlError;
    });
    first[Symbol.dispose]();
    first[Symbol.dispose]();
    using _ = await ControlSocket.claim(path);
  }));

Deno.test("ControlSocket.claim() replaces a socket on which nobody listens", () =>
  inFolder(async (folder) => {
    const path = `${folder}/c.sock`;
    leaveSocket(path);
    assert.ok(Deno.lstatSync(path).isSocket);
    using _ = await ControlSocket.claim(path);
    assert.throws(() => Deno.lstatSync(path), Deno.errors.NotFound);
  }));

Deno.test("ControlSocket.claim() leaves a socket on which somebody listens without the lock", () =>
  inFolder(async (folder) => {
    const path = `${folder}/c.sock`;
    using _ = Deno.listen({ transport: "unix", path });
    await assert.rejects(ControlSocket.claim(path), /another agent listens there/);
    assert.ok(Deno.lstatSync(path).isSocket);
    assert.throws(() => Deno.lstatSync(`${path}.lock`), Deno.errors.NotFound);
  }));

Deno.test("ControlSocket.claim() refuses what is no socket, and directories of others", () =>
  inFolder(async (folder) => {
    Deno.writeTextFileSync(`${folder}/file`, "");
    await assert.rejects(ControlSocket.claim(`${folder}/file`), /is no socket/);
    assert.equal(Deno.readTextFileSync(`${folder}/file`), "");
    Deno.mkdirSync(`${folder}/open`);
    Deno.chmodSync(`${folder}/open`, 0o777);
    await assert.rejects(ControlSocket.claim(`${folder}/open/c`), /others may write to it/);
    Deno.symlinkSync(folder, `${folder}/link`);
    await assert.rejects(ControlSocket.claim(`${folder}/link/c`), /"[^"]*link" is not a directory/);
    await assert.rejects(ControlSocket.claim(`${folder}/a/b/c`), { code: "ENOENT" });
  }));

Deno.test("ControlSocket.claim() refuses a way that others may change", () =>
  inFolder(async (folder) => {
    Deno.mkdirSync(`${folder}/open/own`, { recursive: true });
    Deno.chmodSync(`${folder}/open`, 0o777);
    const refused = { message: /open": the directory may be changed by others$/ };
    await assert.rejects(ControlSocket.claim(`${folder}/open/own/c`), refused);
    Deno.symlinkSync(`${folder}/open/own`, `${folder}/link`);
    await assert.rejects(ControlSocket.claim(`${folder}/link/new/c`), refused);
    Deno.chmodSync(`${folder}/open`, 0o755);
    using _ = await ControlSocket.claim(`${folder}/open/own/c`);
  }));

Deno.test("ControlSocket.claim() refuses a lock that is no file, and does not wait for it", () =>
  inFolder(async (folder) => {
    const { code } = await new Deno.Command("mkfifo", { args: [`${folder}/c.lock`] }).output();
    assert.equal(code, 0);
    const refused = { message: /c\.lock": it is not a regular file$/ };
    await assert.rejects(ControlSocket.claim(`${folder}/c`), refused);
    Deno.removeSync(`${folder}/c.lock`);
    Deno.symlinkSync(`${folder}/elsewhere`, `${folder}/c.lock`);
    await assert.rejects(ControlSocket.claim(`${folder}/c`), refused);
    assert.throws(() => Deno.lstatSync(`${folder}/elsewhere`), Deno.errors.NotFound);
    Deno.removeSync(`${folder}/c.lock`);
    Deno.mkdirSync(`${folder}/c.lock`);
    await assert.rejects(ControlSocket.claim(`${folder}/c`), refused);
  }));
