import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { documentText, policyOf } from "../../../tests/support/policy_text.ts";
import { CAPABLE_KERNEL, PLAIN_KERNEL } from "../../../tests/support/sample_kernels.ts";
import { policyNotes } from "./policy_notes.ts";

const DENY = "matchActions: [{action: Sigkill}]";

function notesOf(spec: string, abilities?: typeof CAPABLE_KERNEL): string[] {
  return policyNotes(policyOf(documentText(spec)), abilities).map(({ text, hint }) =>
    `${text} (${hint})`
  );
}

function opening(call: string, index: number): string {
  return `{call: ${call}, args: [{index: ${index}, type: string}], selectors: ` +
    `[{matchArgs: [{index: ${index}, operator: Prefix, values: [/etc/]}]}]}`;
}

Deno.test("policyNotes() says that paths of system calls are compared as they are given", () => {
  const spec = `kprobes: [${opening("sys_openat", 1)}]`;
  const [path, others, ...more] = notesOf(spec);
  match(path!, /^the path of openat is compared as the caller gave it.*LSM hook file_open/);
  match(others!, /^a rule on openat does not see .*openat2, .*open_by_handle_at, io_uring, which/);
  deepStrictEqual(more, []);
  match(notesOf(spec, CAPABLE_KERNEL)[0]!, /this kernel has it by lsm/);
  match(notesOf(spec, PLAIN_KERNEL)[0]!, /nothing that sees the file.*type fd at a later call/);
});

Deno.test("policyNotes() says which calls walk around a rule, once per kind of call", () => {
  const kinds = ["open", "openat", "openat2", "creat", "open_by_handle_at"];
  const rules = kinds.map((call) => `{call: sys_${call}, selectors: [{${DENY}}]}`);
  const all = notesOf(`kprobes: [${rules.join(", ")}]`);
  strictEqual(all.length, 1);
  match(all[0]!, /^a rule on open does not see io_uring, which also open files/);
  strictEqual(notesOf(`kprobes: [${rules.slice(1).join(", ")}]`).length, 1);
  deepStrictEqual(notesOf("kprobes: [{call: sys_openat}]"), []);
  const exec = notesOf(`kprobes: [{call: sys_execve, selectors: [{${DENY}}]}]`);
  match(exec[0]!, /^a rule on execve does not see execveat, which also run programs/);
});

Deno.test("policyNotes() says that a file has other names, unless a rule sees to that", () => {
  const guard = "{hook: file_open, args: [{index: 0, type: file}], selectors: [{matchArgs: " +
    `[{index: 0, operator: Equal, values: [/etc/shadow]}], ${DENY}}]}`;
  match(notesOf(`lsmhooks: [${guard}]`)[0]!, /rename or link it.*path_rename and path_link/);
  deepStrictEqual(notesOf(`lsmhooks: [${guard}, {hook: path_rename}]`), []);
});

Deno.test("policyNotes() says which kernels have a hook, and what this one has", () => {
  match(
    notesOf("lsmhooks: [{hook: uring_sqpoll}]")[0]!,
    /hook uring_sqpoll: in 6.1, 6.12, 6.18, 7.2, not in 5.10/,
  );
  deepStrictEqual(notesOf("lsmhooks: [{hook: uring_sqpoll}]", CAPABLE_KERNEL), []);
  const points = "tracepoints: [{subsystem: sched, event: sched_process_exec}, " +
    "{subsystem: sched, event: sched_proces_exec}, {subsystem: syscalls, event: sys_enter_openat}]";
  const notes = notesOf(points);
  ok(notes.length <= 1);
  for (const note of notes) match(note, /no tracepoint sched_proces_exec/);
  const refusing = {
    ...CAPABLE_KERNEL,
    accepts: (means: string) =>
      means === "lsm" ? { has: false, reason: "refused" } as const : { has: true } as const,
    findPoint: () => ({
      ...{ exists: true, returnsError: true, securityFunction: "security_file_open" } as const,
    }),
  };
  match(notesOf("lsmhooks: [{hook: file_open}]", refusing)[0]!, /is had by fmod-ret: refused/);
});
