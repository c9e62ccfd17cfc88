import assert from "node:assert/strict";
import { executable } from "../../tests/support/sample_facts.ts";
import { ROOT_CREDENTIALS } from "../../tests/support/sample_events.ts";
import { flagWords } from "./flag_words.ts";
import { privilegeRaise } from "./privileges.ts";
import { joinPath, textFromBytes } from "./text.ts";

const USER = { ...ROOT_CREDENTIALS, uid: 1000, euid: 1000, gid: 1000, egid: 1000 };

Deno.test("flagWords() keeps Tetragon's order and puts our words last", () => {
  const words = flagWords({
    source: "execve",
    missed: true,
    afterFork: true,
    cwd: "/",
    inInitTree: true,
    problems: {
      argumentsCut: true,
      argumentsFailed: true,
      environmentCut: true,
      environmentFailed: true,
      filenameCut: true,
      filenameFailed: true,
      cwdCut: true,
      cwdFailed: true,
      exeCut: true,
    },
  });
  assert.equal(
    words,
    "execve errorEnvs truncArgs miss errorFilename errorArgs rootcwd errorCWD clone " +
      "errorPathResolutionCwd inInitTree truncFilename truncEnvs truncExe",
  );
});

Deno.test("flagWords() says nocwd when no working directory is known and none failed to be read", () => {
  const facts = { missed: false, afterFork: false, cwd: "", inInitTree: false };
  assert.equal(flagWords({ ...facts, source: "procFS" }), "procFS nocwd");
  assert.equal(
    flagWords({ ...facts, source: "execve", problems: { cwdFailed: true } }),
    "execve errorCWD",
  );
});

const NOTHING = { euid: false, egid: false, capabilities: false };
const ALL = { euid: true, egid: true, capabilities: true };

Deno.test("privilegeRaise() needs the bit, the owner's id and that the caller had another", () => {
  const suid = executable("/su", { mode: 0o104755, uid: 0 });
  assert.deepEqual(privilegeRaise({ ...USER, euid: 0 }, suid, ALL), {
    setuid: 0,
    changes: ["PRIVILEGES_RAISED_EXEC_FILE_SETUID"],
  });
  assert.equal(privilegeRaise(USER, suid, NOTHING), undefined, "nosuid mount");
  assert.equal(privilegeRaise(ROOT_CREDENTIALS, suid, NOTHING), undefined, "root runs su");
  assert.equal(privilegeRaise({ ...USER, euid: 0 }, suid, NOTHING), undefined, "was root before");
  assert.equal(privilegeRaise({ ...USER, euid: 33 }, suid, ALL), undefined, "other owner");
});

Deno.test("privilegeRaise() reports setgid, both bits, and file capabilities", () => {
  const both = executable("/x", { mode: 0o106755, uid: 5, gid: 6 });
  assert.deepEqual(privilegeRaise({ ...USER, euid: 5, egid: 6 }, both, ALL), {
    setuid: 5,
    setgid: 6,
    changes: ["PRIVILEGES_RAISED_EXEC_FILE_SETUID", "PRIVILEGES_RAISED_EXEC_FILE_SETGID"],
  });
  const ping = executable("/bin/ping");
  const capable = { ...USER, capPermitted: 1n << 13n };
  assert.deepEqual(privilegeRaise(capable, ping, ALL), {
    changes: ["PRIVILEGES_RAISED_EXEC_FILE_CAP"],
  });
  assert.equal(privilegeRaise(capable, ping, NOTHING), undefined, "had them before");
  const ambient = { ...USER, capPermitted: 4n, capAmbient: 4n };
  assert.equal(privilegeRaise(ambient, ping, ALL), undefined);
  assert.equal(privilegeRaise({ ...ROOT_CREDENTIALS, capPermitted: 4n }, ping, ALL), undefined);
});

Deno.test("joinPath() makes relative names absolute and leaves others alone", () => {
  const join = (cwd: string, name: string) => joinPath({ text: cwd }, { text: name }).text;
  assert.equal(join("/a/b", "./c"), "/a/b/c");
  assert.equal(join("/a/b", "c//d"), "/a/b/c/d");
  assert.equal(join("/", "./"), "/");
  assert.equal(join("/", "c"), "/c");
  assert.equal(join("/a", "/x/./y"), "/x/./y");
  assert.equal(join("", "c"), "c");
  assert.equal(join("/a", ""), "");
});

Deno.test("joinPath() does not follow .. by its text: a symbolic link may stand before it", () => {
  const join = (cwd: string, name: string) => joinPath({ text: cwd }, { text: name }).text;
  assert.equal(join("/", "tmp/l/../../../usr/bin/apt-get"), "/tmp/l/../../../usr/bin/apt-get");
  assert.equal(join("/tmp/l", "../../usr/bin/apt-get"), "/tmp/l/../../usr/bin/apt-get");
});

Deno.test("joinPath() keeps bytes that are not UTF-8", () => {
  const name = textFromBytes(Uint8Array.of(0x2e, 0x2f, 0xff));
  const joined = joinPath({ text: "/é" }, name);
  assert.equal(joined.text, "/é/\ufffd");
  assert.deepEqual(joined.raw, Uint8Array.of(0x2f, 0xc3, 0xa9, 0x2f, 0xff));
});
