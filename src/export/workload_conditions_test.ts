import assert from "node:assert/strict";
import {
  SAMPLE_WORKLOAD,
  sampleAmend,
  sampleExec,
  sampleExit,
  sampleProcess,
  toText,
} from "../../tests/support/sample_events.ts";
import {
  PENDING_POD,
  PENDING_WEB,
  POD_WEB,
  SESSION,
  SSH,
  WEB,
  WEB_ID,
} from "../../tests/support/sample_workloads.ts";
import type { Workload } from "../events/mod.ts";
import { Counters } from "../telemetry/mod.ts";
import { EventFilter } from "./event_filter.ts";
import { FilterError } from "./filter_expression.ts";

function filter(...expressions: string[]): EventFilter {
  return new EventFilter(expressions, { counters: new Counters() });
}

/** Filters by whether an exec in the workload is shown, hidden or not decided. */
function check(
  workload: Workload,
  verdicts: { shown?: string; hidden?: string; undecided?: string },
) {
  const event = sampleExec(sampleProcess({ workload }));
  for (const [verdict, expressions = ""] of Object.entries(verdicts)) {
    for (const expression of expressions.split(" ")) {
      assert.equal(filter(expression).judge(event), verdict, `${expression} of ${workload.name}`);
    }
  }
}

Deno.test("EventFilter.judge() compares kind and name of workloads", () => {
  check(WEB, {
    shown: `workload=container workload=container/web workload=*/w?b workload=c*/web
      workload=container/a1b2c3 workload=pod,container/web workload!=pod`.replace(/\s+/g, " "),
    hidden: "workload=pod workload=container/we workload=service/web workload!=container/web",
  });
  check(POD_WEB, {
    shown: "workload=container/prod/web-*/nginx workload=container/nginx workload=*/**",
    hidden: "workload=container/prod workload=pod workload=container/*-7d9f",
  });
  check(SSH, {
    shown: "workload=service workload=service/ssh.service workload=s*/ssh* workload!=host",
    hidden: "workload=scope/ssh.service workload=service/ssh",
  });
  check(SESSION, { shown: "workload=session/3", hidden: "workload=session/4" });
  check(SAMPLE_WORKLOAD, { shown: "workload=host workload=host/host", hidden: "workload!=host" });
});

Deno.test("EventFilter.judge() compares containers by name, name in the pod, and id", () => {
  check(WEB, {
    shown: "container=web container=w* container=x,web container=a1b2c3 container=A1B2C3D4E5",
    hidden: "container=a1b2c container=b1b2c3 container=we container!=web container!=a1b2c3d4",
  });
  check(POD_WEB, { shown: "container=nginx", hidden: "container=web-7d9f" });
  const lxc: Workload = {
    ...{ kind: "machine", name: "deb12", id: "deb12", source: "path" },
    container: { runtime: "lxc", id: "deb12" },
  };
  check(lxc, { shown: "container=deb*", hidden: "container=lxc" });
  check(SSH, { shown: "container!=web", hidden: "container=* container=web" });
});

Deno.test("EventFilter.judge() compares pods, their namespaces, and units", () => {
  check(POD_WEB, {
    shown: "pod=web-7d9f pod=web-* pod=prod/web-* pod=*/web-7d9f namespace=prod namespace=p* " +
      "unit=cri-containerd-*.scope",
    hidden: "pod=prod pod=test/web-* pod!=web-* namespace=test namespace!=prod unit=ssh",
  });
  check(WEB, { shown: "pod!=web namespace!=prod unit!=ssh", hidden: "pod=* namespace=*" });
  check(SSH, {
    shown: "unit=ssh unit=ssh.service unit=ssh* unit=cron,ssh",
    hidden: "unit=ss unit!=ssh unit=*.socket",
  });
  const name = "dev-disk\\x2dby.mount";
  check({ ...SSH, kind: "unit", name, unit: { name } }, {
    shown: "unit=dev-disk\\x2dby.mount unit=dev-disk*",
    hidden: "unit=dev-diskx2dby.mount",
  });
});

Deno.test("EventFilter.judge() does not decide by a name that is on the way", () => {
  check(PENDING_WEB, {
    undecided: "container=web container!=web container=a1b2ff pod=web pod!=web namespace=x " +
      "workload=container/web workload=pod/prod/web workload!=*/web",
    shown: `container=a1b2c3 workload=container workload=container/a1b2c3d4e5f6 unit!=ssh
      workload!=service/web container=nope,a1b2c3`.replace(/\s+/g, " "),
    hidden: "container!=a1b2c3 unit=ssh workload=service/web",
  });
  check(PENDING_POD, { undecided: "pod=web namespace=prod", hidden: "workload=host" });
  check({ ...PENDING_WEB, source: "path", reason: "lookup_queue_full" }, {
    undecided: "container=web",
  });
  check({ ...PENDING_WEB, source: "path", reason: "no_runtime" }, {
    shown: "container!=web",
    hidden: "container=web pod=web namespace=x",
  });
  check({ ...WEB, source: "pending", reason: "entered_from_outside" }, { shown: "container=web" });
});

Deno.test("EventFilter.judge() does not wait for a name when another condition fails", () => {
  const event = sampleExec(sampleProcess({ workload: PENDING_WEB, binary: toText("/bin/sh") }));
  const verdict = (...expressions: string[]) => filter(...expressions).judge(event);
  assert.equal(verdict("container=web", "binary=sh"), "undecided");
  assert.equal(verdict("container=web", "binary=ls"), "hidden");
  assert.equal(verdict("container=web", "unit=ssh"), "hidden");
  assert.equal(verdict("container=web", "event=exit"), "hidden");
  assert.equal(verdict("container=web", "container=a1b2c3"), "undecided");
});

Deno.test("EventFilter.decide() takes a name that is not known for none", () => {
  const event = (workload: Workload) => sampleExit(sampleProcess({ workload }));
  assert.equal(filter("container=web").decide(event(PENDING_WEB)), false);
  assert.equal(filter("container!=web").decide(event(PENDING_WEB)), true);
  assert.equal(filter("container=web").decide(event(WEB)), true);
});

Deno.test("EventFilter.judge() shows an amendment whose workload fits when nothing else is asked", () => {
  const amend = (workload: Workload, ...expressions: string[]) =>
    filter(...expressions).judge(sampleAmend(workload));
  assert.equal(amend(WEB), "shown");
  assert.equal(amend(WEB, "container=web"), "shown");
  assert.equal(amend(WEB, "container=db"), "hidden");
  assert.equal(amend(WEB, "event=amend"), "shown");
  assert.equal(amend(WEB, "event=exec"), "hidden");
  assert.equal(amend(WEB, "event!=amend"), "hidden");
  assert.equal(amend(WEB, "binary=ls"), "hidden");
});

Deno.test("EventFilter.judge() hides amendments from people until they ask", () => {
  const judge = (...expressions: string[]) =>
    new EventFilter(expressions, { counters: new Counters(), showAmends: false })
      .judge(sampleAmend(WEB));
  assert.equal(judge(), "hidden");
  assert.equal(judge("container=web"), "hidden");
  assert.equal(judge("event=amend"), "shown");
  assert.equal(judge("event!=exec"), "hidden");
});

Deno.test("EventFilter.judge() shows the amendment of an event that was shown", () => {
  const pending = sampleProcess({ workload: PENDING_WEB });
  const other = sampleProcess({ tgid: 9, workload: PENDING_WEB, binary: toText("/bin/sh") });
  const amend = (process = pending) => sampleAmend(WEB, { execId: process.execId });
  const byBinary = filter("binary=ls");
  assert.equal(byBinary.judge(sampleExec(pending)), "shown");
  assert.equal(byBinary.judge(sampleExec(other)), "hidden");
  assert.equal(byBinary.judge(amend(other)), "hidden");
  assert.equal(byBinary.judge(amend()), "shown");
  assert.equal(byBinary.judge(amend()), "hidden", "all was learned with the first");
  const both = filter("binary=ls", "container=db");
  assert.equal(both.judge(sampleExec(pending)), "undecided");
  assert.equal(both.judge(amend()), "hidden", "it is web's");
  const onlyAmends = filter("binary=ls", "container=web", "event=amend");
  assert.equal(onlyAmends.judge(sampleExec(pending)), "hidden");
  assert.equal(onlyAmends.judge(amend()), "shown");
});

Deno.test("EventFilter.judge() shows what an event shown before turns out to be", () => {
  const alone: Workload = { ...PENDING_WEB, source: "path", reason: "no_runtime" };
  const process = sampleProcess({ workload: alone });
  const shown = filter("container!=web");
  assert.equal(shown.judge(sampleExec(process)), "shown");
  assert.equal(shown.judge(sampleAmend(WEB, { execId: process.execId })), "shown");
  assert.equal(shown.judge(sampleAmend(WEB, { execId: "another" })), "hidden");
});

Deno.test("EventFilter.judge() forgets the oldest of too many events to be amended and counts it", () => {
  const counters = new Counters();
  const shown = new EventFilter(["binary=ls"], { counters });
  const process = (tgid: number) => sampleProcess({ tgid, workload: PENDING_WEB });
  for (let tgid = 1; tgid <= 16_385; tgid++) shown.judge(sampleExec(process(tgid)));
  assert.equal(counters.total("shrike_export_filter_amends_forgotten_total"), 1);
  const amend = (tgid: number) => sampleAmend(WEB, { execId: process(tgid).execId });
  assert.equal(shown.judge(amend(1)), "hidden");
  assert.equal(shown.judge(amend(2)), "shown");
});

Deno.test("EventFilter() refuses workloads it cannot read, with place and advice", () => {
  const cases: [string, number, string, RegExp][] = [
    ["workload=contaner/x", 9, "contaner", /did you mean "container"\?/],
    ["workload=pod,sevice/x", 13, "sevice", /did you mean "service"\?/],
    ["workload=x*/y", 9, "x*", /^kinds: container, pod/],
    ["workload=/x", 9, "", /^kinds: container, pod/],
    ["workload=pod/", 13, "", /KIND\/NAME/],
    ["workload~x", 8, "~", /workload=container\/web/],
    ["contaner=x", 0, "contaner", /did you mean "container"\?/],
    ["pod=", 4, "", /pod=prod\/web-\*/],
    ["unit=a,", 7, "", /unit=ssh/],
    ["event=amnd", 6, "amnd", /did you mean "amend"\?/],
  ];
  for (const [expression, position, found, hint] of cases) {
    assert.throws(() => filter(expression), (error: unknown) => {
      assert.ok(error instanceof FilterError, expression);
      assert.deepEqual([error.position, error.found], [position, found], expression);
      assert.match(error.hint, hint, expression);
      return true;
    });
  }
});

Deno.test("EventFilter.judge() tries a workload once for all processes that have it", () => {
  let reads = 0;
  const watched: Workload = {
    ...WEB,
    get container() {
      reads++;
      return { runtime: "docker", id: WEB_ID, name: "web" };
    },
  };
  const shown = filter("container=web");
  assert.equal(shown.judge(sampleExec(sampleProcess({ tgid: 1, workload: watched }))), "shown");
  const first = reads;
  assert.equal(shown.judge(sampleExit(sampleProcess({ tgid: 2, workload: watched }))), "shown");
  assert.ok(first > 0);
  assert.equal(reads, first);
});
