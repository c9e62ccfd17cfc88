import assert from "node:assert/strict";
import { Counters } from "../telemetry/mod.ts";
import { ROOT_CREDENTIALS, sampleProcess } from "../../tests/support/sample_events.ts";
import { UserNames, userText } from "./user_names.ts";

function openNames(text: string) {
  const path = Deno.makeTempFileSync();
  Deno.writeTextFileSync(path, text);
  const counters = new Counters();
  const clock = { ms: 0 };
  const names = new UserNames({ counters, path, now: () => clock.ms });
  const unreadable = () => counters.total("shrike_export_user_names_unreadable_total");
  return { path, names, clock, unreadable, [Symbol.dispose]: () => removeIfThere(path) };
}

function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

const PASSWD = `root:x:0:0:root:/root:/bin/bash
toor:x:0:0::/:/bin/sh
alice:x:1000:1000::/home/alice:/bin/sh
# bob:x:1001:1001::/:/bin/sh
bad:x:12y:0::/:/bin/sh
short:x
`;

Deno.test("UserNames.nameOf() gives the first name of a uid and uidOf() every name's uid", () => {
  using file = openNames(PASSWD);
  const { names } = file;
  assert.deepEqual([0, 1000, 1001, 12, 7].map((uid) => names.nameOf(uid)), [
    "root",
    "alice",
    undefined,
    undefined,
    undefined,
  ]);
  assert.deepEqual(["toor", "alice", "bad", "short"].map((name) => names.uidOf(name)), [
    0,
    1000,
    undefined,
    undefined,
  ]);
});

Deno.test("UserNames.nameOf() reads the file again when it changed, a second later at most", () => {
  using file = openNames(PASSWD);
  const { names, clock, path } = file;
  assert.equal(names.nameOf(1000), "alice");
  Deno.writeTextFileSync(path, "carol:x:1000:1000::/:/bin/sh\n");
  clock.ms = 999;
  assert.equal(names.nameOf(1000), "alice");
  clock.ms = 1000;
  assert.equal(names.nameOf(1000), "carol");
  Deno.writeTextFileSync(path, "dorys:x:1000:1000::/:/bin/sh\n");
  Deno.utimeSync(path, 1, 1);
  clock.ms = 2000;
  assert.equal(names.nameOf(1000), "dorys", "same size, another mtime");
});

Deno.test("UserNames.nameOf() keeps the last names when the file is gone or too big", () => {
  using file = openNames(PASSWD);
  const { names, clock, path, unreadable } = file;
  assert.equal(names.nameOf(0), "root");
  Deno.truncateSync(path, 5 * 1024 * 1024);
  clock.ms = 1000;
  assert.equal(names.nameOf(0), "root");
  assert.equal(unreadable(), 1);
  Deno.removeSync(path);
  clock.ms = 2000;
  assert.equal(names.nameOf(0), "root");
  assert.equal(unreadable(), 2);
});

Deno.test("UserNames.nameOf() is undefined on a host without the file", () => {
  const counters = new Counters();
  assert.equal(new UserNames({ counters, path: "/nonexistent/passwd" }).nameOf(0), undefined);
});

Deno.test("userText() is a dash where nobody knows as whom a process runs", () => {
  const unknown = { ...ROOT_CREDENTIALS, euid: 4294967295 };
  assert.equal(userText(sampleProcess({ credentials: unknown, unknown: true }), {}), "-");
  assert.equal(userText(sampleProcess(), {}), "0");
});
