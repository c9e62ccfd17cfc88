import { deepStrictEqual, match, ok } from "node:assert/strict";
import { AgentHealth } from "./agent_health.ts";

Deno.test("AgentHealth is alive and not ready while the agent starts, and when it stops", () => {
  const health = new AgentHealth(() => 0);
  deepStrictEqual(health.alive(), { isWell: true, body: { status: "starting" } });
  ok(!health.ready().isWell);
  match(`${health.ready().body["reason"]}`, /the agent is starting/);
  health.started([{ sensor: "process", loaded: true }, {
    ...{ sensor: "network", loaded: false, reason: "the kernel has no hook" },
  }]);
  deepStrictEqual(health.ready(), {
    isWell: true,
    body: {
      status: "ready",
      sensors: [
        { sensor: "process", loaded: true },
        { sensor: "network", loaded: false, reason: "the kernel has no hook" },
      ],
    },
  });
  health.stopping();
  ok(!health.ready().isWell && health.alive().isWell);
});

Deno.test("AgentHealth says for how long the pipeline has not turned", () => {
  let nowMs = 1000;
  const health = new AgentHealth(() => nowMs);
  health.started([]);
  health.turned();
  nowMs += 10_000;
  ok(health.alive().isWell);
  nowMs += 2500;
  deepStrictEqual(health.alive(), {
    isWell: false,
    body: {
      status: "stalled",
      reason: "the pipeline has not turned for 12 s",
      turn_age_seconds: 12.5,
    },
  });
  ok(health.ready().isWell, "it is still the place where the host is watched");
  health.turned();
  ok(health.alive().isWell);
});
