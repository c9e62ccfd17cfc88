import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { FakeClock } from "../../tests/support/sample_facts.ts";
import { LoggedLines } from "../../tests/support/logged_lines.ts";
import { Counters, LossLedger } from "../telemetry/mod.ts";
import { AttachedLinks, type LostHook } from "./attached_links.ts";
import { HookWatch } from "./hook_watch.ts";

/** A link that a test changes behind its owner's back. */
class FakeLink {
  isDetached = false;
  isClosed = false;
  constructor(public programId = 7) {}
  state() {
    return { programId: this.programId, isDetached: this.isDetached };
  }
  [Symbol.dispose](): void {
    this.isClosed = true;
  }
}

Deno.test("AttachedLinks.check() attaches what was detached or replaced, once for each time", () => {
  const made: FakeLink[] = [];
  const links = new AttachedLinks();
  links.add("on_ingress", () => {
    const link = new FakeLink();
    made.push(link);
    return link;
  });
  deepStrictEqual(links.check(true), []);
  made[0]!.isDetached = true;
  deepStrictEqual(links.check(true), [
    { program: "on_ingress", cause: "hook_detached", isAttached: true },
  ]);
  deepStrictEqual([made.length, made[0]!.isClosed, links.check(true)], [2, true, []]);
  made[1]!.programId = 8;
  deepStrictEqual(links.check(true).map(({ cause }) => cause), ["hook_replaced"]);
  strictEqual(links.has("on_ingress"), true);
  links.detach();
  deepStrictEqual(made.map(({ isClosed }) => isClosed), [true, true, true]);
});

Deno.test("AttachedLinks.check() says why a hook stays lost, once", () => {
  const link = new FakeLink();
  let isRefused = false;
  const links = new AttachedLinks();
  links.add("on_egress", () => {
    if (isRefused) throw new Error("no room");
    return link;
  });
  [link.isDetached, isRefused] = [true, true];
  deepStrictEqual(links.check(true), [
    { program: "on_egress", cause: "hook_detached", isAttached: false, reason: "no room" },
  ]);
  deepStrictEqual([links.check(true), links.has("on_egress"), link.isClosed], [[], false, true]);
});

Deno.test("HookWatch.tick() tells a lost hook in the stream, the log and a counter", () => {
  const [clock, counters] = [new FakeClock(1_000n), new Counters()];
  const [losses, log] = [new LossLedger(), new LoggedLines()];
  let lost: LostHook[] = [];
  const asked: boolean[] = [];
  const sensors = { checkLinks: (reattach: boolean) => (asked.push(reattach), lost) };
  const watch = new HookWatch({ sensors, reattach: true, clock, counters, losses, log });
  for (let turn = 0; turn < 10; turn++) watch.tick();
  deepStrictEqual([asked, losses.take()], [[true, true], []]);
  lost = [
    { program: "on_ingress", cause: "hook_detached", isAttached: true },
    { program: "on_egress", cause: "hook_replaced", isAttached: false, reason: "no room" },
  ];
  for (let turn = 0; turn < 5; turn++) watch.tick();
  deepStrictEqual(losses.take().map(({ cause, kind, count }) => [cause, kind, count]), [
    ["hook_detached", "on_ingress", 1],
    ["hook_replaced", "on_egress", 1],
  ]);
  strictEqual(counters.total("shrike_loader_hooks_lost_total"), 2);
  deepStrictEqual([log.of("warn").length, log.of("error").length], [1, 1]);
});
