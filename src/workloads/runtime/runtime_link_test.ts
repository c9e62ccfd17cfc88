import { deepStrictEqual, equal, rejects } from "node:assert/strict";
import { FakeTimers, settle } from "../../../tests/support/fake_timers.ts";
import { Counters } from "../../telemetry/mod.ts";
import {
  type RuntimeChange,
  type RuntimeClient,
  RuntimeError,
  type RuntimeErrorCode,
  type RuntimeFacts,
  type Subject,
} from "./runtime_client.ts";
import { RuntimeLink } from "./runtime_link.ts";

const SUBJECT: Subject = { kind: "container", id: "x", runtime: "docker", inPod: false };

/** A client that fails as the test wants. */
class FakeClient implements RuntimeClient {
  readonly api = "docker";
  readonly socketPath = "/fake.sock";
  readonly userUid?: number;
  error: RuntimeErrorCode | undefined;
  asked = 0;
  watched = 0;
  report: ((change: RuntimeChange) => void) | undefined;
  endStream: (() => void) | undefined;

  constructor(userUid?: number) {
    if (userUid !== undefined) this.userUid = userUid;
  }

  lookUp(): Promise<RuntimeFacts | undefined> {
    this.asked += 1;
    if (this.error === undefined) return Promise.resolve(undefined);
    return Promise.reject(new RuntimeError(this.api, this.error, "told so"));
  }

  version(): Promise<string | undefined> {
    if (this.error === undefined) return Promise.resolve("docker 20");
    return Promise.reject(new RuntimeError(this.api, this.error, "told so"));
  }

  watch(report: (change: RuntimeChange) => void): Promise<void> {
    this.watched += 1;
    this.report = report;
    return new Promise((_, reject) =>
      this.endStream = () => reject(new RuntimeError(this.api, "unreachable", "ended"))
    );
  }

  close(): void {}
}

function linkTo(client: FakeClient) {
  const timers = new FakeTimers();
  const counters = new Counters();
  const changes: RuntimeChange[] = [];
  const link = new RuntimeLink(client, {
    counters,
    timers,
    report: (change) => changes.push(change),
  });
  return { link, timers, counters, changes };
}

Deno.test("RuntimeLink.lookUp() leaves a failing endpoint alone", async () => {
  const client = new FakeClient();
  const { link, timers, counters } = linkTo(client);
  client.error = "timeout";
  await rejects(link.lookUp(SUBJECT), { code: "timeout" });
  await rejects(link.lookUp(SUBJECT), { code: "backing_off" });
  equal(client.asked, 1);
  await timers.pass(200);
  await rejects(link.lookUp(SUBJECT), { code: "timeout" });
  await timers.pass(200);
  await rejects(link.lookUp(SUBJECT), { code: "backing_off" });
  await timers.pass(200);
  client.error = undefined;
  equal(await link.lookUp(SUBJECT), undefined);
  client.error = "timeout";
  await rejects(link.lookUp(SUBJECT), { code: "timeout" });
  await timers.pass(200);
  client.error = undefined;
  equal(await link.lookUp(SUBJECT), undefined, "the pause is short again after an answer");
  equal(counters.total("shrike_workloads_runtime_errors_total"), 5);
  equal(counters.total("shrike_workloads_runtime_answers_total"), 5);
});

Deno.test("RuntimeLink.probe() asks an endpoint that is left alone too", async () => {
  const client = new FakeClient();
  const { link } = linkTo(client);
  client.error = "timeout";
  await rejects(link.lookUp(SUBJECT), { code: "timeout" });
  const failed = await link.probe();
  deepStrictEqual([failed.version, failed.error?.code, failed.failures], [undefined, "timeout", 1]);
  client.error = undefined;
  const { version, error, lastError } = await link.probe();
  deepStrictEqual([version, error], ["docker 20", undefined]);
  equal(lastError, failed.error?.message);
});

Deno.test("RuntimeLink.lookUp() goes on after a refusal", async () => {
  const client = new FakeClient();
  const { link } = linkTo(client);
  client.error = "refused";
  await rejects(link.lookUp(SUBJECT), { code: "refused" });
  await rejects(link.lookUp(SUBJECT), { code: "refused" });
  equal(client.asked, 2);
});

Deno.test("RuntimeLink.start() opens the stream again after a pause", async () => {
  const client = new FakeClient();
  const { link, timers, changes } = linkTo(client);
  link.start();
  client.report?.({ type: "connected" });
  equal(link.describe().isWatching, true);
  client.endStream?.();
  await settle();
  equal(link.describe().isWatching, false);
  await timers.pass(200);
  equal(client.watched, 2);
  client.endStream?.();
  await timers.pass(200);
  equal(client.watched, 2, "the second pause is longer");
  await timers.pass(200);
  equal(client.watched, 3);
  await timers.pass(6000);
  client.endStream?.();
  await timers.pass(200);
  equal(client.watched, 4, "a stream that lasted makes the pause short again");
  deepStrictEqual(changes, [{ type: "connected" }]);
  link.close();
  equal(timers.size, 0);
});

Deno.test("RuntimeLink asks again at once when the stream is back", async () => {
  const client = new FakeClient();
  const { link } = linkTo(client);
  link.start();
  client.error = "unreachable";
  await rejects(link.lookUp(SUBJECT), { code: "unreachable" });
  client.error = undefined;
  client.report?.({ type: "connected" });
  equal(await link.lookUp(SUBJECT), undefined);
});

Deno.test("RuntimeLink.start() does not listen to a user's own runtime", () => {
  const client = new FakeClient(1000);
  linkTo(client).link.start();
  equal(client.watched, 0);
});

Deno.test("RuntimeLink.lookUp() adds up the seconds that answers took", async () => {
  const client = new FakeClient();
  const { link, timers, counters } = linkTo(client);
  client.lookUp = async () => {
    await timers.pass(250);
    return undefined;
  };
  await link.lookUp(SUBJECT);
  await link.lookUp(SUBJECT);
  equal(counters.total("shrike_workloads_runtime_answer_seconds_total"), 0.5);
});
