import assert from "node:assert/strict";
import {
  configureLog,
  escapeControls,
  isJournalStream,
  logOf,
  type LogOptions,
  resetLog,
} from "./log.ts";

function capture(options: Partial<LogOptions>, use: () => void): string[] {
  const lines: string[] = [];
  configureLog({
    level: "info",
    format: "text",
    isJournal: false,
    ...options,
    write: (text) => void lines.push(text),
  });
  try {
    use();
  } finally {
    resetLog();
  }
  return lines;
}

Deno.test("configureLog() writes level, room, message and hint on one line", () => {
  const [line, ...more] = capture({}, () => {
    logOf("loader").warn("Left out {program}", { program: "on_exit", hint: "use kernel 5.5" });
  });
  assert.deepEqual(more, []);
  assert.match(
    line!,
    /^\d\d:\d\d:\d\d\.\d{3} warn loader: Left out on_exit; hint: use kernel 5\.5\n$/,
  );
});

Deno.test("configureLog() leaves out messages below the level", () => {
  const count = (level: LogOptions["level"]) =>
    capture({ level }, () => {
      const log = logOf("capture");
      log.debug("a");
      log.info("b");
      log.warn("c");
      log.error("d");
    }).length;
  assert.deepEqual(["error", "warn", "info", "debug"].map((level) => count(level as "error")), [
    1,
    2,
    3,
    4,
  ]);
});

Deno.test("configureLog() escapes what a process could have chosen", () => {
  const [line] = capture({}, () => logOf("state").info("Name {name}", { name: "\x1b[2J\nfake" }));
  assert.match(line!, /Name \\x1b\[2J\\x0afake\n$/);
});

Deno.test("configureLog() gives journald a priority and no time of its own", () => {
  const lines = capture({ isJournal: true, level: "debug" }, () => {
    logOf("agent").error("x");
    logOf("agent").warn("x");
    logOf("agent").info("x");
    logOf("agent").debug("x");
  });
  assert.deepEqual(lines, [
    "<3>error agent: x\n",
    "<4>warn agent: x\n",
    "<6>info agent: x\n",
    "<7>debug agent: x\n",
  ]);
});

Deno.test("configureLog() writes JSON lines with hint and properties", () => {
  const use = () =>
    logOf("ffi").error("Cannot {what}", {
      what: "load",
      hint: "run as root",
      size: 12n,
      error: new Error("boom"),
    });
  const quiet = JSON.parse(capture({ format: "json" }, use)[0]!);
  assert.equal(quiet.level, "error");
  assert.equal(quiet.room, "ffi");
  assert.equal(quiet.message, "Cannot load");
  assert.equal(quiet.hint, "run as root");
  assert.deepEqual(quiet.properties, {
    what: "load",
    size: "12",
    error: { name: "Error", message: "boom" },
  });
  const loud = JSON.parse(capture({ format: "json", level: "debug" }, use)[0]!);
  assert.match(loud.properties.error.stack, /log_test/);
});

Deno.test("configureLog() shows stacks in text for debug only", () => {
  const use = () => logOf("agent").error("Failed", { error: new Error("boom") });
  assert.doesNotMatch(capture({}, use)[0]!, /at .*log_test/);
  assert.match(capture({ level: "debug" }, use)[0]!, /at .*log_test/);
});

Deno.test("isJournalStream() compares device and inode", () => {
  assert.ok(isJournalStream("8:1234", { dev: 8, ino: 1234 }));
  assert.ok(!isJournalStream("8:1234", { dev: 8, ino: 1235 }));
  assert.ok(!isJournalStream(undefined, { dev: 8, ino: 1234 }));
});

Deno.test("escapeControls() keeps letters of all scripts", () => {
  assert.equal(escapeControls("größe 大 \u{1f426}"), "größe 大 \u{1f426}");
  assert.equal(escapeControls("a\u202eb\u0085"), "a\\u202eb\\x85");
});
