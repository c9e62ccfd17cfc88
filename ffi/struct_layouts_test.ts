import { deepStrictEqual, throws } from "node:assert/strict";
import {
  BPF_KPROBE_MULTI_OPTS,
  BPF_LINK_INFO,
  BPF_OBJECT_OPEN_OPTS,
  BPF_PROG_INFO,
  BPF_TEST_RUN_OPTS,
  PERF_EVENT_ATTR,
  PERF_EVENT_MMAP_PAGE,
  RUSAGE,
} from "./struct_layouts.ts";
import { PERF_EVENT_IOC_SET_OUTPUT } from "./perf_event.ts";
import { syscallNumbers } from "./symbols/mod.ts";

/** Members that are named otherwise in C, or are bit-fields that have no offset. */
const C_NAMES: Readonly<Record<string, string>> = {
  wakeup: "wakeup_events",
  cgroup_id: "cgroup.cgroup_id",
};

const STRUCTS = {
  bpf_object_open_opts: BPF_OBJECT_OPEN_OPTS,
  bpf_kprobe_multi_opts: BPF_KPROBE_MULTI_OPTS,
  bpf_link_info: BPF_LINK_INFO,
  bpf_prog_info: BPF_PROG_INFO,
  bpf_test_run_opts: BPF_TEST_RUN_OPTS,
  perf_event_attr: PERF_EVENT_ATTR,
  perf_event_mmap_page: PERF_EVENT_MMAP_PAGE,
  rusage: RUSAGE,
} as const;

/** Our own prefix of a struct that the kernel has made longer since; see the comments there. */
const PREFIX_STRUCTS = [
  "perf_event_attr",
  "bpf_link_info",
  "bpf_prog_info",
  "bpf_object_open_opts",
  "bpf_test_run_opts",
  "bpf_kprobe_multi_opts",
];

Deno.test("struct layouts and numbers agree with the installed C headers", async () => {
  const lines: string[] = [];
  const expected: string[] = [];
  for (const [struct, members] of Object.entries(STRUCTS)) {
    for (const [member, offset] of Object.entries(members)) {
      // The flags are bit-fields: they stand between read_format and wakeup_events.
      if (member === "flags") continue;
      const size = member === "SIZE";
      if (size && PREFIX_STRUCTS.includes(struct)) continue;
      const what = size
        ? `sizeof(struct ${struct})`
        : `offsetof(struct ${struct}, ${C_NAMES[member] ?? member})`;
      lines.push(`printf("${struct} ${member} %zu\\n", ${what});`);
      expected.push(`${struct} ${member} ${offset}`);
    }
  }
  const { perfEventOpen } = syscallNumbers(Deno.build.arch);
  lines.push(`printf("%d %d\\n", SYS_perf_event_open, (int)PERF_EVENT_IOC_SET_OUTPUT);`);
  expected.push(`${perfEventOpen} ${PERF_EVENT_IOC_SET_OUTPUT}`);
  deepStrictEqual(await runC(lines), expected);
});

Deno.test("syscallNumbers() refuses a machine it does not know", () => {
  throws(() => syscallNumbers("sparc"), RangeError);
});

/** The lines that a C program with this body prints. */
async function runC(body: readonly string[]): Promise<string[]> {
  const folder = await Deno.makeTempDir();
  try {
    const headers = [
      ...["stddef.h", "stdio.h", "sys/resource.h", "sys/ioctl.h", "sys/syscall.h"],
      ...["linux/perf_event.h", "linux/bpf.h", "bpf/bpf.h", "bpf/libbpf.h"],
    ];
    const text = headers.map((name) => `#include <${name}>\n`).join("") +
      `int main(void) {\n${body.join("\n")}\nreturn 0;\n}\n`;
    await Deno.writeTextFile(`${folder}/layouts.c`, text);
    const args = ["-o", `${folder}/layouts`, `${folder}/layouts.c`];
    const compile = await new Deno.Command("gcc", { args, stderr: "piped" }).output();
    if (!compile.success) throw new Error(new TextDecoder().decode(compile.stderr));
    const run = await new Deno.Command(`${folder}/layouts`).output();
    return new TextDecoder().decode(run.stdout).trim().split("\n");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
