/**
 * A guest in which the agent has no rest: storms of processes, cgroups that come and go, policies
 * that change, scrapes, calls of the control socket, and a kill in the middle. What it holds at the
 * first quiet moment and at the last one must be the same.
 *
 * @module
 */
import type { KernelImage } from "../../scripts/fetch_kernels.ts";
import { bootGuest } from "../matrix/boot_kernel.ts";
import { addBusybox, findProgram, GuestTree } from "../matrix/guest_tree.ts";
import { addShrike } from "../e2e/guest_shrike.ts";
import { sayingsIn } from "./guest_sayings.ts";

/** What an agent holds at a quiet moment. */
export interface SoakFigures {
  readonly rssKb: number;
  readonly descriptors: number;
  /** In the whole guest, so that what a killed agent has left is among them. */
  readonly programs: number;
  readonly maps: number;
  readonly links: number;
}

/** What a soak has come to. */
export interface SoakResult {
  readonly first: SoakFigures;
  readonly last: SoakFigures;
  readonly rounds: number;
  /** Programs executed by the storms. */
  readonly programs: number;
  /** Agents that were killed. */
  readonly kills: number;
  readonly scrapes: number;
  readonly policyChanges: number;
  readonly output: string;
}

const METRICS = "127.0.0.1:9464";
/** For the boot, the starts of agents and the quiet moments. */
const EXTRA_MS = 480_000;

const POLICY = `apiVersion: shrike.io/v1alpha1
kind: TracingPolicy
metadata: {name: soak}
spec:
  kprobes:
  - call: sys_chdir
    args: [{index: 0, type: string}]
    selectors:
    - matchArgs: [{index: 0, operator: Prefix, values: [/proc]}]
`;

/** Seconds of the storms and between kills are variables of the script. */
const SCRIPT = `
mkdir -p /run/soak /run/soak/state
chmod 700 /run/soak /run/soak/state
agent=
start_agent() {
  shrike run -o json --metrics-address ${METRICS} --control-socket /run/soak/control.sock \\
    --state-dir /run/soak/state >/dev/null 2>/run/soak/log &
  agent=$!
  n=0
  until busybox wget -q 2>/dev/null -O /dev/null http://${METRICS}/readyz; do
    n=$((n+1))
    if [ $n -ge 600 ]; then cat /run/soak/log; exit 20; fi
    sleep 0.2
  done
}
count_objects() { bpftool $1 list | grep -c '^[0-9][0-9]*:'; }
count_all() { for kind in prog map link; do count_objects $kind; done | busybox tr '\\n' ' '; }
say_figures() {
  echo "@ $1_rss $(busybox sed -n 's/^VmRSS:[^0-9]*\\([0-9]*\\).*/\\1/p' /proc/$agent/status)"
  echo "@ $1_descriptors $(ls /proc/$agent/fd | wc -l)"
  for kind in prog map link; do echo "@ $1_$kind $(count_objects $kind)"; done
}
round() {
  i=0
  while [ $i -lt 60 ]; do /bin/true storm $i; i=$((i+1)); done
  programs=$((programs+60))
  for box in a b c d; do
    mkdir -p /sys/fs/cgroup/soak-$box/below
    sh -c "echo \\$\\$ >/sys/fs/cgroup/soak-$box/below/cgroup.procs; cd /proc; exec /bin/true in"
    rmdir /sys/fs/cgroup/soak-$box/below /sys/fs/cgroup/soak-$box
  done
  programs=$((programs+4))
  busybox wget -q 2>/dev/null -O /dev/null http://${METRICS}/metrics && scrapes=$((scrapes+1))
  rounds=$((rounds+1))
}
control() { shrike policy "$@" --control-socket /run/soak/control.sock >/run/soak/answer 2>&1 || {
  cat /run/soak/answer; exit 21; }
}
change_policies() {
  control add /guest/soak.yaml
  round
  control list
  control delete soak
  changes=$((changes+1))
}
seconds() { busybox cut -d. -f1 /proc/uptime; }
# Until nothing is under way: released memory and removed cgroups take some seconds.
quiet() { sleep 10; busybox wget -q 2>/dev/null -O /dev/null http://${METRICS}/metrics; }

programs=0 scrapes=0 rounds=0 changes=0 kills=0
before=$(count_all)
start_agent
round
change_policies
quiet
say_figures first
end=$(($(seconds) + SOAK_SECONDS))
next_kill=$(($(seconds) + SOAK_SECONDS / 3))
while [ $(seconds) -lt $end ]; do
  round; round; round; round; round
  change_policies
  [ -d /proc/$agent ] || { cat /run/soak/log; exit 22; }
  if [ $(seconds) -ge $next_kill ]; then
    kill -9 $agent
    wait $agent
    kills=$((kills+1))
    start_agent
    next_kill=$(($(seconds) + SOAK_SECONDS / 3 + 1))
  fi
done
# What a policy needs once stays: the last agent must have had one, too.
round
change_policies
quiet
say_figures last
for word in rounds programs kills scrapes changes; do eval "echo \\"@ $word \\$$word\\""; done
kill -TERM $agent
wait $agent || exit 23
# The kernel frees them a little later.
n=0
until [ "$(count_all)" = "$before" ]; do
  n=$((n+1))
  if [ $n -ge 100 ]; then echo "left $(count_all) of $before"; exit 24; fi
  sleep 0.2
done
`;

/** Boots a guest and lets it have no rest for so long. */
export async function soak(kernel: KernelImage, seconds: number): Promise<SoakResult> {
  const tree = new GuestTree();
  await addBusybox(tree);
  await addShrike(tree, "/bin/shrike");
  await tree.addProgram("/bin/bpftool", await findProgram("bpftool"));
  tree.addText("/guest/soak.yaml", POLICY);
  const result = await bootGuest({
    ...{ kernel, tree, command: `SOAK_SECONDS=${seconds}\n${SCRIPT}` },
    timeoutMs: seconds * 1000 + EXTRA_MS,
  });
  if (result.exitCode !== 0) throw new Error(`exit ${result.exitCode}\n${result.output}`);
  const said = sayingsIn(result.output);
  const number = (word: string) => {
    const value = Number(said.get(word) || NaN);
    if (Number.isNaN(value)) throw new Error(`nothing said of ${word}\n${result.output}`);
    return value;
  };
  const figures = (when: string): SoakFigures => ({
    ...{ rssKb: number(`${when}_rss`), descriptors: number(`${when}_descriptors`) },
    ...{ programs: number(`${when}_prog`), maps: number(`${when}_map`) },
    links: number(`${when}_link`),
  });
  return {
    ...{ first: figures("first"), last: figures("last"), rounds: number("rounds") },
    ...{ programs: number("programs"), kills: number("kills"), scrapes: number("scrapes") },
    ...{ policyChanges: number("changes"), output: result.output },
  };
}

/** V8 keeps some of what it once had; a leak of one event in ten is more than this in an hour. */
const RSS_MARGIN = 0.2;

/** What is not flat, in words; none when all is. */
export function growth({ first, last }: Pick<SoakResult, "first" | "last">): string[] {
  const grown: string[] = [];
  for (const key of ["descriptors", "programs", "maps", "links"] as const) {
    if (last[key] !== first[key]) {
      grown.push(`${key}: ${first[key]} at first, ${last[key]} at last`);
    }
  }
  if (last.rssKb > first.rssKb * (1 + RSS_MARGIN)) {
    grown.push(`memory: ${first.rssKb} KiB at first, ${last.rssKb} KiB at last`);
  }
  return grown;
}
