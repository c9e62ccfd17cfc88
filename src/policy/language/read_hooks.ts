/**
 * Hooks of a policy: where it looks and what it does there.
 *
 * @module
 */
import type { HookPoint, PolicyHook } from "../model.ts";
import { knownSyscalls, syscallName } from "../syscalls.ts";
import type { HookKind } from "./argument_types.ts";
import { IGNORE, KPROBE, LSM_HOOK, TRACEPOINT } from "./hook_sections.ts";
import { quote } from "../../telemetry/mod.ts";
import { RUNNING_KERNEL } from "./kernel_names.ts";
import { knownLsmHooks, lsmHookKernels } from "./lsm_hooks.ts";
import { quoted } from "./policy_problem.ts";
import { neverReturns } from "../no_return.ts";
import { overrideRefusal } from "./override_refusal.ts";
import { readArguments, readReturn } from "./read_arguments.ts";
import { readSelectors } from "./read_selectors.ts";
import type { HookReading, SpecReading } from "./reading.ts";
import { describe, type Fields, openSection, spotOf, suggestion } from "./section.ts";
import type { YamlNode, YamlScalar } from "./yaml_tree.ts";

/** The kernel's table of hooks has as many rows. */
export const HOOKS_MAX = 128;
const MESSAGE_LENGTH_MAX = 256;
const TAGS_MAX = 16;
const TAG_LENGTH_MAX = 128;

const LIST_PREFIX = "list:";
/** Symbols of the kernel; a dot stands before what the compiler has added. */
const SYMBOL = /^[A-Za-z_][A-Za-z0-9_.]{0,126}$/;
const NAME = /^[A-Za-z_][A-Za-z0-9_]{0,126}$/;

/** What a section has besides its point. */
type ReadHook = Omit<PolicyHook, "point">;

/** All hooks of `spec`; at least one, else told. */
export function readHooks(spec: Fields, reading: SpecReading): PolicyHook[] {
  const hooks = [
    ...spec.items("kprobes").flatMap((item) => readKprobe(item, reading)),
    ...spec.items("tracepoints").flatMap((item) => readTracepoint(item, reading)),
    ...spec.items("lsmhooks").flatMap((item) => readLsmHook(item, reading)),
  ];
  const count = ["kprobes", "tracepoints", "lsmhooks"]
    .reduce((sum, key) => sum + spec.items(key).length, 0);
  if (count === 0) {
    reading.problems.add(spec, "spec has no hooks", "write kprobes, tracepoints or lsmhooks");
  } else if (hooks.length > HOOKS_MAX) {
    const hint = `write ${HOOKS_MAX} at most; each value of a list is one`;
    reading.problems.add(spec, `spec has ${hooks.length} hooks`, hint);
  }
  return hooks.slice(0, HOOKS_MAX);
}

function readKprobe(node: YamlNode, reading: SpecReading): PolicyHook[] {
  const fields = openSection(node, KPROBE, reading);
  const call = fields?.text("call");
  if (fields === undefined || call === undefined) return [];
  const isSyscall = fields.boolean("syscall", true);
  const kind = isSyscall ? "syscall" : "kprobe";
  const points = readCalls(fields, { call, isSyscall, reading });
  const hook = readHook(fields, { kind, points, hookName: nameOf(points, call), reading });
  const ignore = fields.map("ignore");
  const mayBeMissing = ignore !== undefined &&
    openSection(ignore, IGNORE, reading)?.boolean("callNotFound", false);
  return points.map((point) => ({
    point,
    ...(mayBeMissing ? { mayBeMissing } : {}),
    ...hook,
  }));
}

/** What `call` names; lists name several. */
function readCalls(
  fields: Fields,
  { call, isSyscall, reading }: { call: string; isSyscall: boolean; reading: SpecReading },
): HookPoint[] {
  const spot = fields.valueSpot("call");
  if (!call.startsWith(LIST_PREFIX)) {
    const node = fields.node("call") as YamlScalar;
    return readCall(node, { isSyscall, reading });
  }
  const name = call.slice(LIST_PREFIX.length);
  const list = reading.lists.find(name);
  if (list === undefined) {
    const hint = suggestion(name, reading.lists.names());
    reading.problems.add(spot, `no list is called ${quote(name)}`, hint);
    return [];
  }
  if (list.isOfSyscalls !== isSyscall) {
    reading.problems.add(
      spot,
      `the list ${quote(name)} has ${list.isOfSyscalls ? "system calls" : "functions"}`,
      list.isOfSyscalls ? "write syscall: true" : "write syscall: false, or type: syscalls there",
    );
    return [];
  }
  const points = new Map<string, HookPoint>();
  for (const value of list.values) {
    for (const point of readCall(value, { isSyscall, reading })) {
      points.set("name" in point ? point.name : "", point);
    }
  }
  return [...points.values()];
}

function readCall(
  node: YamlScalar,
  { isSyscall, reading: { problems } }: { isSyscall: boolean; reading: SpecReading },
): HookPoint[] {
  const { text } = node;
  const spot = spotOf(node);
  if (!isSyscall) {
    if (SYMBOL.test(text)) return [{ kind: "kprobe", name: text }];
    problems.add(spot, quoted(text, "is no name of a function"), "write such as tcp_connect");
    return [];
  }
  const name = syscallName(text);
  if (name !== undefined) return [{ kind: "syscall", name }];
  if (/^__(ia32|x32)_|_compat_/.test(text)) {
    const hint = "write the call of 64 bits, such as sys_openat";
    problems.add(spot, quoted(text, "is a call of 32-bit programs, which is not hooked"), hint);
    return [];
  }
  const looksLikeOne = /^(__x64_|__arm64_)?sys_/.test(text);
  problems.add(
    spot,
    quoted(text, "is no system call"),
    looksLikeOne
      ? suggestion(text, knownSyscalls())
      : "for a function of the kernel write syscall: false beside it",
  );
  return [];
}

function readTracepoint(node: YamlNode, reading: SpecReading): PolicyHook[] {
  const fields = openSection(node, TRACEPOINT, reading);
  const [subsystem, event] = [fields?.text("subsystem"), fields?.text("event")];
  if (fields === undefined || subsystem === undefined || event === undefined) return [];
  const isRaw = fields.boolean("raw", false);
  const isGood = [["subsystem", subsystem], ["event", event]].map(([key, text]) => {
    if (NAME.test(text!)) return true;
    const spot = fields.valueSpot(key!);
    reading.problems.add(spot, quoted(text!, `is no ${key}`), "ls /sys/kernel/tracing/events");
    return false;
  });
  const points: HookPoint[] = isGood.includes(false) ? [] : [
    isRaw ? { kind: "raw_tracepoint", name: event } : {
      kind: "tracepoint",
      subsystem,
      name: event,
    },
  ];
  const kind = isRaw ? "raw_tracepoint" : "tracepoint";
  const hookName = `the tracepoint ${quote(`${subsystem}/${event}`)}`;
  const hook = readHook(fields, { kind, points, hookName, reading });
  return points.map((point) => ({ point, ...hook }));
}

function readLsmHook(node: YamlNode, reading: SpecReading): PolicyHook[] {
  const fields = openSection(node, LSM_HOOK, reading);
  const name = fields?.text("hook");
  if (fields === undefined || name === undefined) return [];
  const spot = fields.valueSpot("hook");
  const prefix = /^(security_|bpf_lsm_|lsm\/)/.exec(name)?.[0];
  const isName = NAME.test(name) && prefix === undefined;
  const isGood = isName && isLsmHook(name);
  if (isName && !isGood) {
    const text = quoted(name, "is no LSM hook of any kernel");
    reading.problems.add(spot, text, suggestion(name, knownLsmHooks()));
  } else if (!isGood) {
    const hint = prefix === undefined ? "write such as file_open" : "take the prefix away";
    reading.problems.add(spot, quoted(name, "is no LSM hook"), hint);
  }
  const points: HookPoint[] = isGood ? [{ kind: "lsm", name }] : [];
  const hookName = `the LSM hook ${quote(name)}`;
  const hook = readHook(fields, { kind: "lsm", points, hookName, reading });
  return points.map((point) => ({ point, ...hook }));
}

/** A kernel newer than this program may have more: it is asked where it is there. */
function isLsmHook(name: string): boolean {
  return lsmHookKernels(name) !== undefined || RUNNING_KERNEL.hasLsmHook(name);
}

/** What all kinds have. Read also where the point is wrong: what is below is told too. */
function readHook(
  fields: Fields,
  { kind, points, hookName, reading }: {
    kind: HookKind;
    points: readonly HookPoint[];
    hookName: string;
    reading: SpecReading;
  },
): ReadHook {
  const context = { kind, hookName, reading };
  const args = readArguments(fields, context);
  const returns = readReturn(fields, context);
  checkReturns(fields, points, reading);
  const refusal = points.map(overrideRefusal).find((refusal) => refusal !== undefined);
  const hookReading: HookReading = {
    ...reading,
    kind,
    hookName,
    args,
    ...(returns === undefined ? {} : { returns }),
    ...(refusal === undefined ? {} : { overrideRefusal: refusal }),
  };
  const message = readMessage(fields, reading);
  return {
    place: fields.place,
    args: args.flatMap(({ argument }) => argument === undefined ? [] : [argument]),
    ...(returns?.argument === undefined ? {} : { returns: returns.argument }),
    selectors: readSelectors(fields, hookReading),
    ...(message === undefined ? {} : { message }),
    tags: readTags(fields, reading),
  };
}

/** The end of a call that never ends. */
function checkReturns(
  fields: Fields,
  points: readonly HookPoint[],
  { problems }: SpecReading,
): void {
  const endless = points.filter(neverReturns).map(({ name }) => name);
  if (endless.length === 0 || !fields.boolean("return", false)) return;
  const text = `${endless.join(" and ")} never returns, so its end is not seen`;
  problems.note(fields.spot("return"), text, "take return away");
}

function readMessage(fields: Fields, { problems }: SpecReading): string | undefined {
  const message = fields.text("message");
  if (message === undefined || message.length <= MESSAGE_LENGTH_MAX) return message;
  const text = `message has ${message.length} characters`;
  problems.add(fields.spot("message"), text, `write ${MESSAGE_LENGTH_MAX} at most`);
  return undefined;
}

function readTags(fields: Fields, { problems }: SpecReading): string[] {
  const items = fields.items("tags");
  if (items.length > TAGS_MAX) {
    problems.add(fields.spot("tags"), `${items.length} tags`, `write ${TAGS_MAX} at most`);
  }
  return items.slice(0, TAGS_MAX).flatMap((item) => {
    if (item.kind === "scalar" && item.text !== "" && item.text.length <= TAG_LENGTH_MAX) {
      return [item.text];
    }
    const text = `${describe(item)} is no tag`;
    problems.add(spotOf(item), text, `write 1 to ${TAG_LENGTH_MAX} characters`);
    return [];
  });
}

function nameOf(points: readonly HookPoint[], call: string): string {
  const [point] = points;
  if (point === undefined || call.startsWith(LIST_PREFIX)) return quote(call);
  return `the ${point.kind === "syscall" ? "system call" : "function"} ${quote(call)}`;
}
