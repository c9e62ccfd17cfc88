/** The unit file of scripts/systemd, under a systemd that is the first process of a guest. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { openWorkspace } from "../../scripts/build/workspace.ts";
import { fetchKernel } from "../../scripts/fetch_kernels.ts";
import { bootGuest } from "../matrix/boot_kernel.ts";
import { findProgram, GuestTree } from "../matrix/guest_tree.ts";
import { systemdBoot } from "../matrix/systemd_root.ts";
import { isTurnOf, SERVICE_FILES } from "../matrix/turn.ts";
import { addShrike } from "../e2e/guest_shrike.ts";
import { sayingsIn } from "./guest_sayings.ts";

/** The kernel that belongs to the guest's Debian. */
const KERNEL = "6.1";

const GUEST_TIMEOUT_MS = 600_000;

/** Half a minute is right for a host and long for a test; an emulated CPU needs some of it. */
const DROP_IN = "[Service]\nWatchdogSec=15\n";

/** Processes made while no agent runs. */
const UNSEEN = 20;

/** Prints one line for each thing that is found out: a word and what it is. */
const SCRIPT = `
say() { echo "@ $1 $2"; }
show() { systemctl show -P "$1" shrike; }
in_journal() { journalctl -u shrike -o cat --no-pager | grep -q "$1"; }
wait_for() {
  n=0
  until "$@"; do n=$((n+1)); [ $n -lt 300 ] || return 1; sleep 0.2; done
}
sees() { /bin/true "$1"; in_journal "$1"; }
restarted() { [ "$(show ActiveState)" = active ] && [ "$(show MainPID)" != "$1" ]; }
# The agent's kernel objects by kind and id; systemd loads some of its own for each unit.
objects() {
  sed -n 's/^\\([a-z]*\\)_id:[[:space:]]*/\\1 /p' /proc/$1/fdinfo/* |
    grep -E 'prog|map|link' | sort -u
}
freed() {
  while read -r kind id; do bpftool $kind show id $id >/dev/null 2>&1 && return 1; done <$1
  return 0
}
gaps() { journalctl -u shrike -o cat --no-pager | grep '^{"gap":{"cause":"agent_restart"'; }
has_gaps() { [ "$(gaps | wc -l)" = "$1" ]; }
scrapes() {
  busybox wget -q -O /run/page http://127.0.0.1:9464/metrics && grep -q ^shrike_build_info /run/page
}
# Moments of the guest's wall clock, as the gaps have them.
now() { date +%s%N; }

say began "$(now)"
say verify "$(systemd-analyze verify shrike.service 2>&1 | head -n 5 | tr '\\n' ' ')"
systemctl start shrike; started=$?; say start $started
[ $started = 0 ] || { journalctl -u shrike --no-pager -n 40; exit 20; }
say active "$(show ActiveState) $(show SubState)"
say status "$(show StatusText)"
wait_for sees first-mark; say first $?

old=$(show MainPID)
say hung "$(now)"
kill -STOP $old
wait_for restarted $old; say restarted $?
say unhung "$(now)"
say restarts "$(show NRestarts)"
journalctl -u shrike --no-pager | grep -q 'Watchdog timeout'; say watchdog $?
wait_for sees second-mark; say second $?

objects "$(show MainPID)" >/run/objects
say objects "$(cut -d' ' -f1 /run/objects | sort | uniq -c | tr -s ' \\n' ' ')"
wait_for has_gaps 1; say hang_told $?
say before_stop "$(now)"
systemctl stop shrike; say stop $?
say after_stop "$(now)"
say stopped "$(show ActiveState) $(show Result)"
wait_for freed /run/objects; say freed $?
say state "$(stat -c '%a %U' /run/shrike /run/shrike/last_run.json | tr '\\n' ' ')"

n=0; while [ $n -lt ${UNSEEN} ]; do /bin/true unseen-mark; n=$((n+1)); done
systemctl start shrike; say again $?
say after_start "$(now)"
wait_for sees third-mark; say third $?
wait_for has_gaps 2; say stop_told $?

old=$(show MainPID)
say killed "$(now)"
kill -KILL $old
wait_for restarted $old; say revived $?
say after_revival "$(now)"
wait_for has_gaps 3; say kill_told $?
gaps | sed 's/^/@gap /'
# The brackets keep this very grep, which is seen, from being found.
in_journal 'unseen[-]mark'; say unseen $?

mv /guest/metrics.conf /etc/systemd/system/shrike.service.d/
mkdir -p /etc/shrike && echo 'metrics: { address: "127.0.0.1:9464" }' >/etc/shrike/config.yaml
systemctl daemon-reload && systemctl restart shrike; say networked $?
wait_for scrapes; say scraped $?
systemctl stop shrike
say journal_end "$(journalctl -u shrike -o cat --no-pager -n 3 | tr '\\n' ' ')"
say failed "$(systemctl list-units --failed --no-legend --no-pager | tr '\\n' ' ')"
[ "$(wc -l </run/objects)" -gt 0 ]
`;

if (isTurnOf("systemd", SERVICE_FILES)) {
  Deno.test(
    "shrike.service starts, is watched, stops and leaves nothing in the kernel",
    runsAsService,
  );
}

async function runsAsService(): Promise<void> {
  const tree = new GuestTree({ mergedUsr: true });
  await addShrike(tree, "/usr/local/bin/shrike");
  await tree.addProgram("/usr/local/bin/bpftool", await findProgram("bpftool"));
  const unit = join(openWorkspace().root, "scripts/systemd/shrike.service");
  tree.addFile("/etc/systemd/system/shrike.service", unit);
  tree.addText("/etc/systemd/system/shrike.service.d/test.conf", DROP_IN);
  tree.addText("/guest/metrics.conf", await documentedDropIn());
  const result = await bootGuest({
    ...await systemdBoot(tree),
    ...{ kernel: await fetchKernel(KERNEL), command: SCRIPT, timeoutMs: GUEST_TIMEOUT_MS },
  });
  const { status, objects, journal_end: _, ...rest } = Object.fromEntries(sayingsIn(result.output));
  const at = takeMoments(rest);
  assert.deepEqual(rest, {
    verify: "",
    start: "0",
    active: "active running",
    first: "0",
    restarted: "0",
    restarts: "1",
    watchdog: "0",
    second: "0",
    stop: "0",
    // Had it not ended within TimeoutStopSec= by itself, the result would be timeout.
    stopped: "inactive success",
    freed: "0",
    state: "700 root 600 root",
    again: "0",
    third: "0",
    revived: "0",
    hang_told: "0",
    stop_told: "0",
    kill_told: "0",
    networked: "0",
    scraped: "0",
    // What ran between two runs is a gap and nothing else.
    unseen: "1",
    failed: "",
  }, result.output);
  assert.match(status ?? "", /2 CPUs/);
  assert.match(objects ?? "", /link.*map.*prog/);
  assert.equal(result.exitCode, 0, result.output);
  checkGaps(result.output, at);
  const stopMs = Number((at.after_stop - at.before_stop) / 1_000_000n);
  console.log(`systemctl stop: ${stopMs} ms (${result.accelerator})`);
}

/** What users are told to write for an endpoint that others can reach. */
async function documentedDropIn(): Promise<string> {
  const path = join(openWorkspace().root, "scripts/monitoring/README.md");
  const block = /^```ini\n([^`]*)```$/m.exec(await Deno.readTextFile(path))?.[1];
  assert(block !== undefined, path);
  return block;
}

const MOMENTS = [
  ...[
    "began",
    "hung",
    "unhung",
    "before_stop",
    "after_stop",
    "after_start",
    "killed",
    "after_revival",
  ],
] as const;
type Moments = Readonly<Record<typeof MOMENTS[number], bigint>>;

/** Takes the moments out of what was said, ns since the epoch. */
function takeMoments(said: Record<string, string>): Moments {
  const moments = MOMENTS.map((name) => {
    const value = said[name];
    delete said[name];
    return [name, BigInt(value ?? -1)];
  });
  return Object.fromEntries(moments) as Moments;
}

interface Gap {
  readonly count: string;
  readonly first_time: string;
  readonly last_time: string;
}

/** Each time without an agent is told, from when it began at the latest to when it ended. */
function checkGaps(output: string, at: Moments): void {
  const gaps = [...output.matchAll(/^@gap (.*)$/gm)].map(([, line]) => {
    const { gap } = JSON.parse(line!) as { gap: Gap };
    return {
      count: Number(gap.count),
      firstNs: parseTimeNs(gap.first_time),
      lastNs: parseTimeNs(gap.last_time),
    };
  });
  const [hang, stop, kill] = gaps;
  assert(gaps.length === 3 && hang !== undefined && stop !== undefined && kill !== undefined);
  const isWithin = (ns: bigint, first: bigint, last: bigint) => first <= ns && ns <= last;
  assert(isWithin(hang.firstNs, at.began, at.hung), output);
  assert(isWithin(hang.lastNs, at.hung, at.unhung), output);
  assert(isWithin(stop.firstNs, at.before_stop, at.after_stop), output);
  assert(isWithin(stop.lastNs, at.after_stop, at.after_start), output);
  assert(stop.count >= UNSEEN, output);
  assert(isWithin(kill.firstNs, stop.lastNs, at.killed), output);
  assert(isWithin(kill.lastNs, at.killed, at.after_revival), output);
}

/** ns since the epoch of an RFC 3339 time in UTC. */
function parseTimeNs(text: string): bigint {
  const [, seconds, fraction = ""] = /^([^.]+)(?:\.(\d{1,9}))?Z$/.exec(text) ?? [];
  return BigInt(Date.parse(`${seconds}Z`)) * 1_000_000n + BigInt(fraction.padEnd(9, "0"));
}
