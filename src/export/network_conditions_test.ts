import assert from "node:assert/strict";
import {
  sampleAmend,
  sampleCgroup,
  sampleExec,
  sampleExit,
  sampleGap,
  sampleProcess,
  toReference,
} from "../../tests/support/sample_events.ts";
import {
  sampleDnsEvent,
  sampleFlow,
  sampleOtherFlow,
  sampleSocketEvent,
  sampleTuple,
} from "../../tests/support/sample_network_events.ts";
import { samplePolicyEvent } from "../../tests/support/sample_policy_events.ts";
import type { AgentEvent, Workload } from "../events/mod.ts";
import { Counters } from "../telemetry/mod.ts";
import { EventFilter } from "./event_filter.ts";
import { FilterError } from "./filter_expression.ts";

const WEB: Workload = {
  ...{ kind: "container", name: "web", id: "a".repeat(64), source: "runtime" },
  container: { runtime: "docker", id: "a".repeat(64), name: "web" },
};

function isShown(event: AgentEvent, ...filters: string[]): boolean {
  return new EventFilter(filters, { counters: new Counters() }).judge(event) === "shown";
}

/** [filter, whether it shows the event] */
function check(event: AgentEvent, cases: readonly [string, boolean][]): void {
  for (const [filter, expected] of cases) assert.equal(isShown(event, filter), expected, filter);
}

Deno.test("EventFilter.judge() knows events of the network by short and long names", () => {
  for (const type of ["connect", "accept", "listen", "close"] as const) {
    const event = sampleSocketEvent({ type: `process_${type}` });
    check(event, [[`event=${type}`, true], [`event=process_${type}`, true], ["event=dns", false]]);
  }
  check(sampleDnsEvent(), [["event=dns", true], ["event=process_dns", true], [
    "event=flow",
    false,
  ]]);
  check(sampleFlow(), [["event=flow", true], ["event!=flow", false], ["event=exec", false]]);
});

Deno.test("EventFilter.judge() finds a peer by address and network", () => {
  const event = sampleSocketEvent();
  check(event, [
    ["peer=93.184.216.34", true],
    ["peer=93.184.216.35", false],
    ["peer=93.0.0.0/8", true],
    ["peer=93.184.216.35/31", true],
    ["peer=0.0.0.0/0", true],
    ["peer=::/0", false],
    ["peer=::1,93.184.0.0/16", true],
    ["peer!=93.184.0.0/16", false],
    ["peer!=10.0.0.1", true],
  ]);
  const remote = { address: "2001:db8::1", port: 443, addressClass: "public" } as const;
  const translated = { address: "10.244.1.7", port: 8443, addressClass: "private" } as const;
  const six = sampleFlow({ socket: sampleTuple({ family: 6, remote, translated }) });
  check(six, [
    ["peer=2001:db8::/32", true],
    ["peer=2001:DB8:0::1", true],
    ["peer=2001:db9::/32", false],
    ["peer=10.244.0.0/16", true],
    ["peer=0.0.0.0/0", true],
    ["port=8443", true],
    ["class=private", true],
  ]);
});

Deno.test("EventFilter.judge() finds a port of either end", () => {
  check(sampleSocketEvent(), [
    ["port=443", true],
    ["port=4000", true],
    ["port=1-442", false],
    ["port=53,440-445", true],
    ["port!=443", false],
    ["port!=53", true],
  ]);
});

Deno.test("EventFilter.judge() finds protocol, class and names", () => {
  check(sampleSocketEvent(), [
    ["protocol=tcp", true],
    ["protocol=TCP,udp", true],
    ["protocol=6", true],
    ["protocol=17", false],
    ["protocol!=udp", true],
    ["class=public", true],
    ["class=same_host", false],
    ["domain=example.org", true],
    ["domain=EXAMPLE.org.", true],
    ["domain=*.org", true],
    ["domain=*.example.org", false],
    ["domain!=*.org", false],
  ]);
  check(sampleSocketEvent({ socket: sampleTuple({ protocol: "132" }) }), [["protocol=132", true]]);
  const answers = [{ name: "cdn.example.net", type: "A", ttl: 1, data: "192.0.2.1" }];
  check(sampleDnsEvent({ answers }), [
    ["domain=Example.org", true],
    ["domain=cdn.*", true],
    ["domain=other.org", false],
    ["port=53", true],
  ]);
});

Deno.test("EventFilter.judge() shows nothing but the network when a filter asks for it", () => {
  const process = sampleProcess();
  const others = [
    sampleExec(process),
    samplePolicyEvent(),
    sampleAmend(WEB),
    sampleCgroup({ subject: toReference(process) }),
  ];
  for (const event of others) {
    check(event, [["port=443", false], ["port!=443", true], ["peer!=0.0.0.0/0", true]]);
  }
  check(sampleGap(), [["port=443", true]]);
  // Rows of what did not fit have no peer.
  check(sampleOtherFlow(), [["port=443", false], ["class!=public", true], ["peer=::/0", false]]);
  const noPeer = { address: "", port: 0, addressClass: "unspecified" } as const;
  const listen = sampleSocketEvent({
    ...{ type: "process_listen", socket: sampleTuple({ remote: noPeer }) },
  });
  check(listen, [["class=unspecified", false], ["port=4000", true], ["peer=0.0.0.0/0", false]]);
});

Deno.test("EventFilter.judge() judges a flow by its workload and the process it has", () => {
  check(sampleFlow({ workload: WEB }), [
    ["workload=container/web", true],
    ["container=web", true],
    ["container!=web", false],
    ["workload=host", false],
    ["binary=ls", true],
    ["binary=cat", false],
    ["tree=4242", true],
    ["policy=x", false],
    ["policy!=x", true],
  ]);
  check(sampleOtherFlow({ workload: WEB }), [
    ["container=web", true],
    ["binary=ls", false],
    ["binary!=ls", false],
    ["tree!=1", false],
  ]);
  assert.equal(isShown(sampleFlow({ workload: WEB }), "container=web", "port=443"), true);
  assert.equal(isShown(sampleFlow({ workload: WEB }), "container=web", "port=53"), false);
});

Deno.test("EventFilter.judge() follows a tree past events of the network", () => {
  const filter = new EventFilter(["tree=100"], { counters: new Counters() });
  const parent = sampleProcess({ tgid: 100, execId: "parent" });
  const child = sampleProcess({ tgid: 200, execId: "child", parentExecId: "parent" });
  assert.equal(filter.judge(sampleExec(parent)), "shown");
  assert.equal(filter.judge(sampleExec(child)), "shown");
  assert.equal(filter.judge(sampleSocketEvent({}, child)), "shown");
  const stranger = sampleProcess({ tgid: 300, execId: "stranger", parentExecId: "init" });
  assert.equal(filter.judge(sampleSocketEvent({}, stranger)), "hidden");
  assert.equal(filter.judge(sampleFlow({ subject: toReference(child) })), "shown");
  assert.equal(filter.judge(sampleFlow({ subject: toReference(stranger) })), "hidden");
});

Deno.test("EventFilter.judge() keeps flows and closes of members of a tree that have ended", () => {
  const filter = new EventFilter(["tree=100"], { counters: new Counters() });
  const unwanted = new EventFilter(["tree!=100"], { counters: new Counters() });
  const root = sampleProcess({ tgid: 100, execId: "root", parentExecId: "init" });
  const child = sampleProcess({ tgid: 200, execId: "child", parentExecId: "root" });
  for (const event of [sampleExec(root), sampleExec(child), sampleExit(child), sampleExit(root)]) {
    assert.equal(filter.judge(event), "shown");
    assert.equal(unwanted.judge(event), "hidden");
  }
  // Many more end while their connections last; what is told of an image keeps it.
  for (let i = 0; i < 20_000; i++) {
    const process = sampleProcess({ tgid: 1000 + i, execId: `${i}`, parentExecId: "root" });
    filter.judge(sampleExec(process));
    filter.judge(sampleExit(process));
    if (i % 5_000 === 0) filter.judge(sampleSocketEvent({ type: "process_close" }, child));
    if (i % 5_000 === 0) filter.judge(sampleFlow({ subject: toReference(root) }));
  }
  for (const process of [root, child]) {
    const events = [
      sampleSocketEvent({ type: "process_close" }, process),
      sampleFlow({ subject: toReference(process) }),
    ];
    for (const event of events) assert.equal(filter.judge(event), "shown", event.type);
    for (const event of events.slice(0, 1)) assert.equal(unwanted.judge(event), "hidden");
  }
  const next = sampleProcess({ tgid: 100, execId: "next", parentExecId: "init" });
  assert.equal(filter.judge(sampleSocketEvent({}, next)), "hidden", "the pid came back");
  assert.equal(filter.judge(sampleFlow({ subject: toReference(next) })), "hidden");
});

Deno.test("EventFilter() refuses what cannot be on the network, with place and advice", () => {
  const cases: [string, string, RegExp, RegExp][] = [
    ["peer=10.0.0.256", "10.0.0.256", /"10\.0\.0\.256" is no address/, /use peer with/],
    ["peer=10.0.0.0/33", "10.0.0.0/33", /has more than 32 bits/, /10\.0\.0\.0\/8/],
    ["peer=::1,fe80::1%eth0", "fe80::1%eth0", /is no address/, /use peer/],
    ["peer=::/129", "::/129", /has more than 128 bits/, /use peer/],
    ["peer=example.org", "example.org", /is no address/, /names are asked for with domain/],
    ["port=http", "http", /"http" is no port/, /use 1 to 65535/],
    ["port=0", "0", /"0" is no port/, /use 1 to 65535/],
    ["port=80,65536", "65536", /is no port/, /443,8000-8100/],
    ["port=90-80", "90-80", /ends before it begins/, /use 1 to/],
    ["protocol=tpc", "tpc", /unknown protocol "tpc"/, /did you mean "tcp"/],
    ["protocol=256", "256", /unknown protocol/, /or a number/],
    ["class=privat", "privat", /unknown class "privat"/, /did you mean "private"/],
    ["port~4", "~", /"port" has no operator "~"/, /use port with = !=/],
    ["event=conect", "conect", /unknown event/, /did you mean "connect"/],
    ["pear=1.2.3.4", "pear", /unknown key "pear"/, /did you mean "peer"/],
  ];
  for (const [expression, found, problem, hint] of cases) {
    assert.throws(() => isShown(sampleGap(), expression), (error) => {
      assert.ok(error instanceof FilterError);
      assert.equal(error.found, found, expression);
      assert.equal(expression.slice(error.position).startsWith(found), true, expression);
      assert.match(error.message, problem);
      assert.match(error.hint, hint);
      return true;
    });
  }
});
