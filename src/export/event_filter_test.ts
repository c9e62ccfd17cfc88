import assert from "node:assert/strict";
import type { AgentEvent, Process } from "../events/mod.ts";
import { Counters } from "../telemetry/mod.ts";
import {
  ROOT_CREDENTIALS,
  sampleExec,
  sampleExit,
  sampleFork,
  sampleGap,
  sampleProcess,
  toReference,
  toText,
} from "../../tests/support/sample_events.ts";
import { SeededRandom } from "../../tests/support/seeded_random.ts";
import { EventFilter } from "./event_filter.ts";
import { FilterError } from "./filter_expression.ts";
import { Glob } from "./glob.ts";

const USERS = new Map([["alice", 1000], ["root", 0]]);

function filter(...expressions: string[]): EventFilter {
  const userId = (name: string) => USERS.get(name);
  return new EventFilter(expressions, { counters: new Counters(), userId });
}

function isShown(filter: EventFilter, event: AgentEvent): boolean {
  return filter.judge(event) === "shown";
}

function passes(event: AgentEvent, ...expressions: string[]): boolean {
  return isShown(filter(...expressions), event);
}

/** [key, operator's value, expected] on an exec of the process. */
function check(fields: Partial<Process>, cases: readonly [string, boolean][]): void {
  const event = sampleExec(sampleProcess(fields));
  for (const [expression, expected] of cases) {
    assert.equal(passes(event, expression), expected, expression);
  }
}

Deno.test("EventFilter.judge() knows events by short and long names", () => {
  const process = sampleProcess();
  assert.equal(passes(sampleExec(process), "event=exec,exit"), true);
  assert.equal(passes(sampleExit(process), "event=process_exit"), true);
  assert.equal(passes(sampleExit(process), "event!=exit"), false);
  assert.equal(passes(sampleExec(process), "event=gap"), false);
});

Deno.test("EventFilter.judge() always lets gaps pass", () => {
  assert.equal(passes(sampleGap(), "event=exec", "pid=1", "tree=5"), true);
  assert.equal(passes(sampleGap(), "event!=gap"), true);
});

Deno.test("EventFilter.judge() hides forks unless they are asked for", () => {
  const fork = sampleFork(sampleProcess({ tgid: 7 }));
  assert.equal(passes(fork), false);
  assert.equal(passes(fork, "event=fork"), true);
  assert.equal(passes(fork, "event!=exec"), false);
  const shown = new EventFilter(["pid=7"], { counters: new Counters(), showForks: true });
  assert.equal(isShown(shown, fork), true);
  assert.equal(shown.needsForks, false);
  assert.equal(filter("event=fork").needsForks, true);
  assert.equal(filter("tree=7").needsForks, true);
});

Deno.test("EventFilter.judge() compares binaries by glob, base name, regex and exe", () => {
  const exe = {
    path: toText("/opt/real/tool"),
    inode: 1n,
    device: { major: 1, minor: 1 },
    links: 1,
    mode: 0,
    uid: 0,
    gid: 0,
    deleted: false,
    memfd: false,
  };
  check({ binary: toText("/usr/bin/ls"), exe }, [
    ["binary=/usr/bin/ls", true],
    ["binary=/usr/bin/*", true],
    ["binary=/usr/*", false],
    ["binary=/usr/**", true],
    ["binary=ls", true],
    ["binary=l?", true],
    ["binary=s", false],
    ["binary=/opt/real/*", true],
    ["binary=/x,tool", true],
    ["binary!=ls", false],
    ["binary!=/sbin/*", true],
    ["binary~/(bin|sbin)/ls$", true],
    ["binary!~^/opt", false],
    ["  binary = ls", true],
  ]);
});

Deno.test("EventFilter.judge() looks into arguments whole and one by one", () => {
  check({ argv: ["curl", "-s", "http://x/?a,b", "two words"].map(toText) }, [
    ["args~http://", true],
    ['args~^-s http\\S+,b "two words"$', true],
    ["args~curl", false],
    ["args!~http", false],
    ["argv=-s", true],
    ["argv=two words", true],
    ["argv=http://x/?a\\,b", true],
    ["argv=http://x/?a", false],
    ["argv~^two", true],
    ["argv~^words", false],
    ["argv!=-k", true],
    ["argv=", false],
  ]);
  check({ argv: ["x", ""].map(toText) }, [["argv=", true]]);
});

Deno.test("EventFilter.judge() tries a regex on the first 4096 characters only", () => {
  const argv = ["x", "a".repeat(4095) + "bc"].map(toText);
  check({ argv }, [["args~b", true], ["args~c", false]]);
});

Deno.test("EventFilter.judge() compares the effective uid by number and name", () => {
  check({ credentials: { ...ROOT_CREDENTIALS, uid: 0, euid: 1000 } }, [
    ["uid=1000", true],
    ["uid=alice", true],
    ["uid=0", false],
    ["uid=root,alice", true],
    ["uid!=root", true],
  ]);
});

Deno.test("EventFilter.judge() wants all filters to hold", () => {
  const event = sampleExec(sampleProcess({ tgid: 5 }));
  assert.equal(passes(event, "pid=5", "uid=0"), true);
  assert.equal(passes(event, "pid=5", "uid=1"), false);
  assert.equal(passes(event, "pid!=5"), false);
});

Deno.test("EventFilter.judge() follows a tree through forks, execs and ends of parents", () => {
  const shown = filter("tree=10", "event=exec,exit");
  const image = (execId: string, tgid: number, parentExecId: string) =>
    sampleProcess({ execId, tgid, parentExecId });
  const root = image("R", 10, "init");
  const child = image("C0", 11, "R");
  const grandchild = image("G0", 12, "C0");
  const byRoot = { parent: toReference(root) };
  assert.equal(isShown(shown, sampleFork(child, byRoot)), false, "forks are followed, not shown");
  assert.equal(isShown(shown, sampleExec(image("C1", 11, "R"), byRoot)), true);
  assert.equal(isShown(shown, sampleFork(image("S", 50, "init"))), false);
  assert.equal(isShown(shown, sampleExec(image("S1", 50, "init"))), false, "a stranger");
  isShown(shown, sampleFork(grandchild));
  assert.equal(isShown(shown, sampleExit(image("C1", 11, "R"))), true);
  assert.equal(isShown(shown, sampleExit(root)), true);
  assert.equal(isShown(shown, sampleExec(image("G1", 12, "C0"))), true, "its parents are gone");
  assert.equal(isShown(shown, sampleExec(image("N", 10, "init"))), false, "the pid came back");
  assert.equal(isShown(shown, sampleExec(image("M", 11, "init"))), false, "the pid came back");
  assert.equal(isShown(shown, sampleExec(image("G2", 12, "G1"))), true, "exec without fork");
  assert.equal(isShown(shown, sampleExit(image("G2", 12, "G1"))), true);
  assert.equal(isShown(shown, sampleExit(image("G2", 12, "?"))), false, "ended before");
});

Deno.test("EventFilter.judge() follows a tree without forks by parents and ancestors", () => {
  const shown = filter("tree=10");
  const root = sampleProcess({ execId: "R", tgid: 10 });
  const forked = sampleProcess({ execId: "F", tgid: 20, parentExecId: "R" });
  const exec = sampleExec(sampleProcess({ execId: "X", tgid: 21, parentExecId: "F" }), {
    parent: toReference(forked),
    ancestors: [toReference(root)],
  });
  assert.equal(isShown(shown, exec), true);
  const next = sampleProcess({ execId: "Y", tgid: 22, parentExecId: "X" });
  assert.equal(isShown(shown, sampleExec(next)), true);
});

Deno.test("EventFilter.judge() forgets a pid whose exit was lost when it is forked again", () => {
  const shown = filter("tree=10");
  const member = sampleProcess({ execId: "A", tgid: 11, parentExecId: "R" });
  const root = sampleProcess({ execId: "R", tgid: 10 });
  isShown(shown, sampleExec(member, { parent: toReference(root) }));
  isShown(shown, sampleFork(sampleProcess({ execId: "B", tgid: 11, parentExecId: "other" })));
  const stranger = sampleProcess({ execId: "C", tgid: 11, parentExecId: "other" });
  assert.equal(isShown(shown, sampleExec(stranger)), false);
});

Deno.test("EventFilter.judge() counts members of a tree that are too many to follow", () => {
  const counters = new Counters();
  const shown = new EventFilter(["tree=10"], { counters });
  const total = () => counters.total("shrike_export_tree_overflow_total");
  const event = (tgid: number) =>
    sampleFork(sampleProcess({ tgid, parentExecId: "R" }), {
      parent: toReference(sampleProcess({ tgid: 10, execId: "R" })),
    });
  for (let tgid = 100; tgid < 100 + 65_536; tgid++) isShown(shown, event(tgid));
  assert.equal(total(), 0);
  isShown(shown, event(99));
  assert.equal(total(), 1);
  isShown(shown, sampleExit(sampleProcess({ tgid: 100 })));
  isShown(shown, event(98));
  assert.equal(total(), 1);
});

Deno.test("EventFilter() refuses what it cannot read, with place and advice", () => {
  const cases: [string, number, string, RegExp][] = [
    ["binry=/x", 0, "binry", /did you mean "binary"\?/],
    ["", 0, "", /KEY=VALUE/],
    ["=x", 0, "=x", /KEY=VALUE/],
    ["frobnicate=1", 0, "frobnicate", /^keys: event, binary/],
    ["event", 5, "", /event=exec,exit/],
    ["uid>5", 3, ">5", /uid=0/],
    ["uid==5", 3, "==", /uid with = !=/],
    ["args=x", 4, "=", /args~/],
    ["pid~1", 3, "~", /pid=1234/],
    ["event=exec,exti", 11, "exti", /did you mean "exit"\?/],
    ["event=exec,", 11, "", /event=exec,exit/],
    ["uid=", 4, "", /uid=0/],
    ["uid=nobody-here", 4, "nobody-here", /passwd/],
    ["uid=4294967296", 4, "4294967296", /uid=0/],
    ["pid=0", 4, "0", /pid=1234/],
    ["tree=1,x", 7, "x", /tree=1234/],
    ["args~(", 5, "(", /regular expression/],
    ["argv=a,", 7, "", /argv=-rf/],
    ["constructor=1", 0, "constructor", /^keys/],
  ];
  for (const [expression, position, found, hint] of cases) {
    assert.throws(() => filter(expression), (error: unknown) => {
      assert.ok(error instanceof FilterError, expression);
      assert.deepEqual([error.position, error.found], [position, found], expression);
      assert.match(error.hint, hint, expression);
      return true;
    });
  }
  assert.throws(() => filter("args~" + "x".repeat(9000)), FilterError);
  assert.throws(() => filter(...Array.from({ length: 65 }, () => "uid=0")), FilterError);
  assert.throws(() => filter("pid=" + Array.from({ length: 257 }, () => 1)), FilterError);
});

Deno.test("Glob.matches() agrees with the same pattern as a regex", () => {
  const random = SeededRandom.fromEnvironment("event_filter_test");
  let matched = 0;
  for (let round = 0; round < 20_000; round++) {
    let pattern = "";
    let source = "";
    for (let parts = random.below(6); parts > 0; parts--) {
      const [glob, regex] = random.pick([
        ["*", "[^/]*"],
        ["**", "[^]*"],
        ["?", "[^/]"],
        ["a", "a"],
        ["/", "/"],
        ["\\*", "\\*"],
        ["[", "\\["],
      ]);
      // Stars in a row would read as another pattern than their regexes.
      if (glob.startsWith("*") && pattern.endsWith("*")) continue;
      pattern += glob;
      source += regex;
    }
    const text = Array.from({ length: random.below(7) }, () => random.pick(["a", "/", "*", "["]))
      .join("");
    const expected = new RegExp(`^${source}$`).test(text);
    assert.equal(new Glob(pattern).matches(text), expected, `${pattern} on ${text}`);
    if (expected) matched++;
  }
  assert.ok(matched > 100);
});
