/**
 * Agents that answer at a port of loopback, and what their metrics say.
 *
 * @module
 */
import assert from "node:assert/strict";
import { freePort } from "./prometheus.ts";
import { RunningShrike, type ShrikeOptions } from "./shrike_process.ts";

const READY_TIMEOUT_MS = 20_000;
const LOOK_MS = 50;

/** One series of the text format. */
export interface MetricValue {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** An agent that answers at a port of its own. */
export function startWithMetrics(...args: string[]) {
  return startAgent(args);
}

/** The same in given surroundings. */
export async function startAgent(
  args: readonly string[],
  options: ShrikeOptions = {},
): Promise<{ shrike: RunningShrike; url: string }> {
  const address = `127.0.0.1:${freePort()}`;
  const shrike = await RunningShrike.start([`--metrics-address=${address}`, ...args], options);
  const url = `http://${address}`;
  await answersWell(`${url}/readyz`);
  return { shrike, url };
}

/** Asks again and again until the answer is 200. */
export async function answersWell(url: string): Promise<void> {
  const deadline = performance.now() + READY_TIMEOUT_MS;
  for (;;) {
    const response = await fetch(url).catch(() => undefined);
    const text = await response?.text();
    if (response?.status === 200) return;
    assert.ok(performance.now() < deadline, `${url} answers well in time: ${text}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

/** The body of an answer that must be 200. */
export async function textOf(url: string, init?: RequestInit): Promise<string> {
  const response = await fetch(url, init);
  assert.equal(response.status, 200, url);
  return await response.text();
}

/** All series of a metric. */
export function valuesIn(text: string, metric: string): MetricValue[] {
  const lines = text.matchAll(new RegExp(`^${metric}(?:\\{(.*)\\})? (\\S+)$`, "gm"));
  return Array.from(lines, ([, braces = "", value]) => ({
    labels: Object.fromEntries(
      Array.from(braces.matchAll(/([a-z_]+)="([^"]*)"/g), ([, name, text]) => [name, text]),
    ),
    value: Number(value),
  }));
}
