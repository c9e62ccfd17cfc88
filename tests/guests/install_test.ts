/** shrike install, doctor and uninstall under a systemd that is the first process of a guest. */
import assert from "node:assert/strict";
import { fetchKernel } from "../../scripts/fetch_kernels.ts";
import { bootGuest } from "../matrix/boot_kernel.ts";
import { GuestTree } from "../matrix/guest_tree.ts";
import { systemdBoot } from "../matrix/systemd_root.ts";
import { isTurnOf, SERVICE_FILES } from "../matrix/turn.ts";
import { addShrike } from "../e2e/guest_shrike.ts";
import { sayingsIn } from "./guest_sayings.ts";

/** The kernel that belongs to the guest's Debian. */
const KERNEL = "6.1";

/** An emulated CPU takes most of it for starts of the program: there are nine. */
const GUEST_TIMEOUT_MS = 600_000;

/** Prints one line for each thing that is found out: a word and what it is. */
const SCRIPT = `
say() { echo "@ $1 $2"; }
show() { systemctl show -P "$1" shrike; }
one_line() { tr '\\n' '|'; }
wait_for() {
  n=0
  until "$@"; do n=$((n+1)); [ $n -lt 100 ] || return 1; sleep 0.2; done
}
sees() { /bin/true "$1"; journalctl -u shrike -o cat --no-pager | grep -q "$1"; }
has_gap() {
  journalctl -u shrike -o cat --no-pager | grep -q '^{"gap":{"cause":"agent_restart","count":"[1-9]'
}
installed() {
  find /usr/local /etc /var/lib /run/shrike -newer /run/before -path '*shrike*' 2>/dev/null |
    sort | one_line
}

touch /run/before; sleep 1.1
new=/root/shrike
$new install --enable --dry-run 2>/dev/null >/run/dry; say dry $?
say dry_made "$(installed)"
$new install --enable >/run/first; first=$?; say first $first
[ $first = 0 ] || { journalctl -u shrike --no-pager -n 40; exit 20; }
cmp -s /run/dry /run/first; say same_words $?
say verify "$(systemd-analyze verify shrike.service 2>&1 | head -n 5 | one_line)"
say active "$(show ActiveState) $(show UnitFileState)"
wait_for sees mark-one; say seen $?

shrike install --enable >/run/second; say again $?
say changed "$(grep -vc '^keep\\|enable' /run/second)"

# Another build: what stands behind the end is not the program's, so it must not be run.
old=$(show MainPID)
{ cat /usr/local/bin/shrike; echo; } >/run/other && chmod 755 /run/other
mv /run/other /usr/local/bin/shrike
$new install >/run/third; say upgrade $?
cmp -s $new /usr/local/bin/shrike; say replaced $?
[ "$(show MainPID)" != "$old" ]; say restarted $?
wait_for has_gap; say upgrade_told $?
say still "$(show ActiveState)"
printf 'agent:\\n  memory_max: 1G\\n' >/etc/shrike/config.yaml
shrike install >/dev/null; say limit "$? $(show MemoryMax)"

shrike doctor -o json --bundle /run/b.tar.gz >/run/doctor.json 2>/dev/null; say doctor $?
cat /run/doctor.json | sed 's/^/@ report /'
say bundle "$(stat -c %a /run/b.tar.gz) $(tar tzf /run/b.tar.gz | wc -l)"

shrike uninstall >/run/gone; say uninstall $?
say left "$(installed)"
say state "$(show LoadState) $(show ActiveState)"
say failed "$(systemctl list-units --failed --no-legend --no-pager | one_line)"
$new uninstall --purge >/dev/null; say purge "$? $(installed)"
`;

if (isTurnOf("install", SERVICE_FILES)) {
  Deno.test(
    "shrike install makes a service, upgrades it and uninstall leaves nothing",
    installsAndUninstalls,
  );
}

async function installsAndUninstalls(): Promise<void> {
  const tree = new GuestTree({ mergedUsr: true });
  await addShrike(tree, "/root/shrike");
  const result = await bootGuest({
    ...await systemdBoot(tree),
    ...{ kernel: await fetchKernel(KERNEL), command: SCRIPT, timeoutMs: GUEST_TIMEOUT_MS },
  });
  const { report, doctor, ...rest } = Object.fromEntries(sayingsIn(result.output));
  assert.deepEqual(rest, {
    dry: "0",
    dry_made: "",
    first: "0",
    same_words: "0",
    verify: "",
    active: "active enabled",
    seen: "0",
    again: "0",
    changed: "0",
    upgrade: "0",
    replaced: "0",
    restarted: "0",
    upgrade_told: "0",
    still: "active",
    limit: `0 ${1024 ** 3}`,
    bundle: "600 10",
    uninstall: "0",
    left: "/etc/shrike|/etc/shrike/config.yaml|",
    state: "not-found inactive",
    failed: "",
    purge: "0",
  }, result.output);
  checkReport(report ?? "", doctor);
  assert.equal(result.exitCode, 0, result.output);
}

interface Report {
  readonly findings: readonly { readonly name: string; readonly status: string }[];
  readonly cgroups: { readonly mode: string; readonly has_systemd: boolean };
  readonly deployment: { readonly kind: string; readonly unit: string };
}

/** In the guest: pure v2, a service of systemd, all rights. */
function checkReport(text: string, exitCode: string | undefined): void {
  const { findings, cgroups, deployment } = JSON.parse(text) as Report;
  const { mode, has_systemd } = cgroups;
  assert.deepEqual({ mode, has_systemd }, { mode: "unified", has_systemd: true });
  assert.deepEqual([deployment.kind, deployment.unit], [
    "systemd_service",
    "guest-command.service",
  ]);
  assert.deepEqual(findings.filter(({ status }) => status === "problem"), [], text);
  const warnings = findings.filter(({ status }) => status === "warning");
  assert.equal(exitCode, warnings.length > 0 ? "1" : "0");
  assert.match(text, /own cgroup has id \d+ in the kernel and in user space/);
  assert.match(text, /shrike \(pid \d+\): \d+ programs/);
}
