/** The unit file of scripts/systemd, under a systemd that is the first process of a guest. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { openWorkspace } from "../../scripts/build/workspace.ts";
import { fetchKernel } from "../../scripts/fetch_kernels.ts";
import { bootGuest } from "../matrix/boot_kernel.ts";
import { findProgram, GuestTree } from "../matrix/guest_tree.ts";
import { systemdBoot } from "../matrix/systemd_root.ts";
import { addShrike } from "./guest_shrike.ts";

/** The kernel that belongs to the guest's Debian. */
const KERNEL = "6.1";

const GUEST_TIMEOUT_MS = 180_000;

/** Half a minute is right for a host and long for a test; an emulated CPU needs some of it. */
const DROP_IN = "[Service]\nWatchdogSec=10\n";

/** Prints one line for each thing that is found out: a word and what it is. */
const SCRIPT = `
say() { echo "@ $1 $2"; }
show() { systemctl show -P "$1" shrike; }
in_journal() { journalctl -u shrike -o cat --no-pager | grep -q "$1"; }
wait_for() {
  n=0
  until "$@"; do n=$((n+1)); [ $n -lt 100 ] || return 1; sleep 0.2; done
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

say verify "$(systemd-analyze verify shrike.service 2>&1 | head -n 5 | tr '\\n' ' ')"
systemctl start shrike; started=$?; say start $started
[ $started = 0 ] || { journalctl -u shrike --no-pager -n 40; exit 20; }
say active "$(show ActiveState) $(show SubState)"
say status "$(show StatusText)"
wait_for sees first-mark; say first $?

old=$(show MainPID)
kill -STOP $old
wait_for restarted $old; say restarted $?
say restarts "$(show NRestarts)"
journalctl -u shrike --no-pager | grep -q 'Watchdog timeout'; say watchdog $?
wait_for sees second-mark; say second $?

objects "$(show MainPID)" >/run/objects
say objects "$(cut -d' ' -f1 /run/objects | sort | uniq -c | tr -s ' \\n' ' ')"
systemctl stop shrike; say stop $?
say stopped "$(show ActiveState) $(show Result)"
wait_for freed /run/objects; say freed $?

systemctl start shrike; say again $?
wait_for sees third-mark; say third $?
systemctl stop shrike
say journal_end "$(journalctl -u shrike -o cat --no-pager -n 3 | tr '\\n' ' ')"
say failed "$(systemctl list-units --failed --no-legend --no-pager | tr '\\n' ' ')"
[ "$(wc -l </run/objects)" -gt 0 ]
`;

Deno.test("shrike.service starts, is watched, stops and leaves nothing in the kernel", async () => {
  const tree = new GuestTree({ mergedUsr: true });
  await addShrike(tree, "/usr/local/bin/shrike");
  await tree.addProgram("/usr/local/bin/bpftool", await findProgram("bpftool"));
  const unit = join(openWorkspace().root, "scripts/systemd/shrike.service");
  tree.addFile("/etc/systemd/system/shrike.service", unit);
  tree.addText("/etc/systemd/system/shrike.service.d/test.conf", DROP_IN);
  const result = await bootGuest({
    ...await systemdBoot(tree),
    ...{ kernel: await fetchKernel(KERNEL), command: SCRIPT, timeoutMs: GUEST_TIMEOUT_MS },
  });
  const said = new Map<string, string>();
  for (const [, word = "", value = ""] of result.output.matchAll(/^@ (\w+) ?(.*)$/gm)) {
    said.set(word, value.trim());
  }
  const { status, objects, journal_end: _, ...rest } = Object.fromEntries(said);
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
    again: "0",
    third: "0",
    failed: "",
  }, result.output);
  assert.match(status ?? "", /2 CPUs/);
  assert.match(objects ?? "", /link.*map.*prog/);
  assert.equal(result.exitCode, 0, result.output);
});
