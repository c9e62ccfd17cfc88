/**
 * What a match does: the actions, one row each.
 *
 * @module
 */
import type { Action } from "../model.ts";
import { errnoValue } from "./errno_names.ts";
import { quoted } from "./policy_problem.ts";
import type { HookReading } from "./reading.ts";
import { type Fields, openSection, suggestion } from "./section.ts";
import { ACTION } from "./selector_sections.ts";
import type { YamlNode } from "./yaml_tree.ts";

/** When an action is done. */
export type Phase = "call" | "return";

/** An action that is done. */
export interface ActionRow {
  readonly what: string;
  /** The key with its number, if it has one. */
  readonly argument?: "argError" | "argSig";
  /** @returns undefined when told */
  read(fields: Fields, context: { phase: Phase; reading: HookReading }): Action | undefined;
}

/** Signals of Linux: 1 to SIGRTMAX. */
const SIGNAL_MAX = 64;
/** The kernel takes more for a pointer (MAX_ERRNO). */
const ERRNO_MAX = 4095;

/** Every action, by name. */
export const ACTIONS: Readonly<Record<string, ActionRow>> = {
  Post: { what: "an event is told", read: () => ({ kind: "post" }) },
  NoPost: { what: "no event is told", read: () => ({ kind: "no_post" }) },
  Sigkill: { what: "the process is killed", read: () => ({ kind: "sigkill" }) },
  Signal: { what: "the process gets a signal", argument: "argSig", read: readSignal },
  Override: { what: "the call fails", argument: "argError", read: readOverride },
};

/** Actions of the published form that are refused. */
export const REFUSED_ACTIONS: Readonly<Record<string, { reason: string; nearest: string }>> = {
  FollowFD: { reason: "descriptors need not be followed", nearest: "use type fd" },
  UnfollowFD: { reason: "descriptors need not be followed", nearest: "use type fd" },
  CopyFD: { reason: "descriptors need not be followed", nearest: "use type fd" },
  GetUrl: { reason: "a policy reaches no network", nearest: "use Post and act on the event" },
  DnsLookup: { reason: "a policy reaches no network", nearest: "use Post and act on the event" },
  TrackSock: { reason: "sockets are not tracked", nearest: "use type sock where it is used" },
  UntrackSock: { reason: "sockets are not tracked", nearest: "use type sock where it is used" },
  NotifyEnforcer: {
    reason: "calls are made to fail where they are hooked",
    nearest: "use Override or Sigkill here",
  },
  CleanupEnforcerNotification: {
    reason: "calls are made to fail where they are hooked",
    nearest: "take it away",
  },
  Set: { reason: "values of calls are not changed", nearest: "use Override to make it fail" },
};

/**
 * Reads a list of actions. Those at the call have either "post" or "no_post"; at its end it is told
 * as the call was, unless they say otherwise.
 */
export function readActions(
  nodes: readonly YamlNode[],
  context: { phase: Phase; reading: HookReading },
): Action[] {
  const actions: Action[] = [];
  for (const node of nodes) {
    const action = readAction(node, context);
    if (action === undefined) continue;
    const { problems } = context.reading;
    if (actions.some(({ kind }) => excludes(kind, action.kind))) {
      const other = actions.find(({ kind }) => excludes(kind, action.kind))!;
      const text = action.kind === other.kind
        ? `the action ${NAMES[action.kind]} stands twice`
        : `the action ${NAMES[action.kind]} contradicts ${NAMES[other.kind]}`;
      problems.add(node, text, "keep one of them");
    } else actions.push(action);
  }
  const isSaid = actions.some(({ kind }) => kind === "post" || kind === "no_post");
  // As in the published form: what kills is told too, unless NoPost stands beside it.
  return isSaid || context.phase === "return" ? actions : [...actions, { kind: "post" }];
}

const NAMES: Readonly<Record<Action["kind"], string>> = {
  post: "Post",
  no_post: "NoPost",
  sigkill: "Sigkill",
  signal: "Signal",
  override: "Override",
};

function excludes(one: Action["kind"], other: Action["kind"]): boolean {
  return one === other || (one === "post" && other === "no_post") ||
    (one === "no_post" && other === "post");
}

function readAction(
  node: YamlNode,
  context: { phase: Phase; reading: HookReading },
): Action | undefined {
  const { problems } = context.reading;
  const fields = openSection(node, ACTION, context.reading);
  const name = fields?.text("action");
  if (fields === undefined || name === undefined) return undefined;
  const spot = fields.valueSpot("action");
  const row = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
  if (row === undefined) {
    const refused = Object.hasOwn(REFUSED_ACTIONS, name) ? REFUSED_ACTIONS[name] : undefined;
    if (refused === undefined) {
      problems.add(spot, quoted(name, "is no action"), suggestion(name, Object.keys(ACTIONS)));
    } else {problems.add(
        spot,
        `action ${name} is not supported: ${refused.reason}`,
        refused.nearest,
      );}
    return undefined;
  }
  for (const key of ["argError", "argSig"]) {
    // 0 is how the published form writes that there is none.
    if (key === row.argument || !fields.has(key) || Number(fields.text(key)) === 0) continue;
    problems.add(fields.spot(key), `${name} has no ${key}`, "take it away");
  }
  return row.read(fields, context);
}

function readSignal(
  fields: Fields,
  { reading }: { reading: HookReading },
): Action | undefined {
  const signal = fields.integer("argSig");
  if (signal !== undefined && signal >= 1 && signal <= SIGNAL_MAX) {
    return { kind: "signal", signal };
  }
  const text = signal === undefined ? "Signal has no argSig" : `${signal} is no signal`;
  const hint = `write argSig: with a number of 1 to ${SIGNAL_MAX}: kill -l`;
  reading.problems.add(fields.valueSpot("argSig"), text, hint);
  return undefined;
}

function readOverride(
  fields: Fields,
  { phase, reading }: { phase: Phase; reading: HookReading },
): Action | undefined {
  const { problems, overrideRefusal } = reading;
  const spot = fields.valueSpot("action");
  if (phase === "return") {
    problems.add(
      spot,
      "a call that has returned cannot be made to fail",
      "write Override into matchActions, or use Sigkill",
    );
    return undefined;
  }
  if (overrideRefusal !== undefined) {
    problems.add(spot, overrideRefusal.text, overrideRefusal.hint);
    return undefined;
  }
  const text = fields.text("argError");
  const error = text === undefined ? undefined : errnoValue(text) ?? wholeNumber(text);
  if (error !== undefined && error <= -1 && error >= -ERRNO_MAX) {
    return { kind: "override", errno: -error };
  }
  problems.add(
    fields.valueSpot("argError"),
    text === undefined ? "Override has no argError" : `${text} is no error`,
    error === 0
      ? "0 would tell the caller that the call has been done; write such as -1 (EPERM)"
      : `write argError: with a name such as EPERM, or a number of -1 to -${ERRNO_MAX}`,
  );
  return undefined;
}

function wholeNumber(text: string): number | undefined {
  const number = Number(text);
  return text.trim() !== "" && Number.isSafeInteger(number) ? number : undefined;
}
