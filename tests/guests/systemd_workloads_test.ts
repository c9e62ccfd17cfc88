/**
 * Units of a real systemd, of the system and of a user, in turns in pure v2 and in hybrid mode: the
 * first program of each has its unit's name.
 */
import assert from "node:assert/strict";
import { fetchKernel } from "../../scripts/fetch_kernels.ts";
import { bootGuest } from "../matrix/boot_kernel.ts";
import { GuestTree } from "../matrix/guest_tree.ts";
import { systemdBoot } from "../matrix/systemd_root.ts";
import { waysOfTurn } from "../matrix/turn.ts";
import type { PlaceExample } from "../support/cgroup_places.ts";
import { parseLines } from "../e2e/event_json.ts";
import { addShrike } from "../e2e/guest_shrike.ts";
import { checkNobodyElse, checkPlace, type PlacedEvent } from "../e2e/placed_events.ts";

const GUEST_TIMEOUT_MS = 600_000;
const EVENTS = "/run/events.jsonl";

const MANAGER = "/user.slice/user-1000.slice/user@1000.service";

/** The program of each is a sleep as long as its mark. */
interface UnitExample extends PlaceExample {
  /** Shell words that start it. */
  readonly start: string;
}

/** A template, as a package would bring it. */
const TEMPLATE = "[Service]\nExecStart=/bin/sleep 2002\n";

const UNITS: readonly UnitExample[] = [
  {
    mark: "2001",
    start: "systemd-run --unit=plain /bin/sleep 2001",
    path: "/system.slice/plain.service",
    workload: {
      ...{ kind: "service", name: "plain.service", id: "/system.slice/plain.service" },
      unit: { name: "plain.service", slice: "system.slice" },
    },
  },
  {
    mark: "2002",
    start: "systemctl start 'web@front\\x2dend.service'",
    path: "/system.slice/system-web.slice/web@front\\x2dend.service",
    workload: {
      ...{ kind: "service", name: "web@front\\x2dend.service" },
      id: "/system.slice/system-web.slice/web@front\\x2dend.service",
      unit: {
        ...{ name: "web@front\\x2dend.service", template: "web@.service" },
        ...{ instance: "front-end", slice: "system-web.slice" },
      },
    },
  },
  {
    mark: "2003",
    start: "systemd-run --unit=batch --slice=night-batch.slice /bin/sleep 2003",
    path: "/night.slice/night-batch.slice/batch.service",
    workload: {
      ...{ kind: "service", name: "batch.service" },
      id: "/night.slice/night-batch.slice/batch.service",
      unit: { name: "batch.service", slice: "night-batch.slice" },
    },
  },
  {
    mark: "2004",
    start: "systemd-run --scope --unit=loose /bin/sleep 2004",
    path: "/system.slice/loose.scope",
    workload: {
      ...{ kind: "scope", name: "loose.scope", id: "/system.slice/loose.scope" },
      unit: { name: "loose.scope", slice: "system.slice" },
    },
  },
  {
    mark: "2005",
    start: "as_user systemd-run --user --unit=own /bin/sleep 2005",
    path: `${MANAGER}/app.slice/own.service`,
    workload: {
      ...{ kind: "service", name: "own.service", id: `${MANAGER}/app.slice/own.service` },
      unit: { name: "own.service", slice: "app.slice", user_uid: 1000 },
      user_uid: 1000,
    },
  },
  {
    mark: "2006",
    start: "in_user systemd-run --user --scope --unit=editor /bin/sleep 2006",
    path: `${MANAGER}/app.slice/editor.scope`,
    workload: {
      ...{ kind: "scope", name: "editor.scope", id: `${MANAGER}/app.slice/editor.scope` },
      unit: { name: "editor.scope", slice: "app.slice", user_uid: 1000 },
      user_uid: 1000,
    },
  },
  {
    mark: "2007",
    start:
      "in_user systemd-run --user --scope --unit=nest -p Delegate=yes sh /guest/nest $ROOT 2007",
    path: `${MANAGER}/app.slice/nest.scope/below/lower`,
    namedBy: `${MANAGER}/app.slice/nest.scope`,
    workload: {
      ...{ kind: "scope", name: "nest.scope", id: `${MANAGER}/app.slice/nest.scope` },
      unit: { name: "nest.scope", slice: "app.slice", user_uid: 1000 },
      user_uid: 1000,
    },
  },
];

/** Makes cgroups below its own, as the user may who was given it, and goes there. */
const NEST = `
own=$1$(sed -n 's/^0:://p' /proc/self/cgroup)
mkdir -p $own/below/lower && echo 0 >$own/below/lower/cgroup.procs && exec /bin/sleep $2
`;

const SCRIPT = `
say() { echo "@ $*"; }
wait_for() {
  n=0
  until "$@"; do n=$((n+1)); [ $n -lt 200 ] || { say late "$*"; exit 21; }; sleep 0.1; done
}
has() { grep -q "$1" ${EVENTS}; }
as_user() {
  setpriv --reuid 1000 --regid 1000 --clear-groups env XDG_RUNTIME_DIR=/run/user/1000 "$@"
}
# The user's manager may take a process over only from another of its own units.
in_user() { as_user systemd-run --user "$@"; }
sleeps_in() {
  for pid in $(cat "$ROOT$1/cgroup.procs"); do
    [ "$(cat /proc/$pid/comm)" = sleep ] && return 0
  done 2>/dev/null
  return 1
}

ROOT=/sys/fs/cgroup
[ ! -d $ROOT/unified ] || ROOT=$ROOT/unified
export ROOT
useradd --uid 1000 --no-create-home worker
systemctl start user@1000.service || { journalctl --no-pager -n 40; exit 20; }

shrike run -o json >${EVENTS} &
agent=$!
wait_for has '"procFS"'
`;

const END_SCRIPT = `
/bin/true end
wait_for has '"end"'
kill -TERM $agent; wait $agent; say agent $?
`;

for (
  const { name, kernel, cmdline } of waysOfTurn([
    { name: "v2", kernel: "6.1", cmdline: [] },
    { name: "hybrid mode", kernel: "5.10", cmdline: ["systemd.unified_cgroup_hierarchy=0"] },
  ])
) {
  Deno.test(`shrike names units of systemd and of a user's manager in ${name}`, async () => {
    const tree = new GuestTree({ mergedUsr: true });
    await addShrike(tree, "/usr/local/bin/shrike");
    tree.addText("/etc/systemd/system/web@.service", TEMPLATE);
    // What logind and its PAM module do for it.
    tree.addText(
      "/etc/systemd/system/user@.service.d/test.conf",
      "[Service]\nEnvironment=XDG_RUNTIME_DIR=/run/user/%i\n",
    );
    tree.addText(
      "/etc/systemd/system/user-runtime-dir@.service.d/test.conf",
      "[Service]\nExecStart=\nExecStop=\nExecStart=install -d -m 700 -o %i /run/user/%i\n",
    );
    tree.addText("/guest/nest", NEST);
    const systemd = await systemdBoot(tree);
    const starts = UNITS.flatMap(({ start, path, namedBy = path }) => [
      `${start} & wait_for sleeps_in '${path}'`,
      ...new Set([path, namedBy]).values().map((each) =>
        `say place "$(stat -c %i "$ROOT"'${each}')" '${each}'`
      ),
    ]);
    const { exitCode, output, files } = await bootGuest({
      ...{ ...systemd, cmdline: [...systemd.cmdline ?? [], ...cmdline] },
      ...{ kernel: await fetchKernel(kernel), cpus: 1, timeoutMs: GUEST_TIMEOUT_MS },
      command: [SCRIPT, ...starts, END_SCRIPT].join("\n"),
      outputs: [EVENTS],
    });
    assert.equal(exitCode, 0, output);
    const events = parseLines(new TextDecoder().decode(files.get(EVENTS))) as PlacedEvent[];
    const ids = new Map(
      [...output.matchAll(/^@ place (\d+) (.*)$/gm)].map(([, id = "", path = ""]) => [path, id]),
    );
    const idOf = (path: string) => ids.get(path) ?? `${path} was not there`;
    for (const unit of UNITS) {
      checkPlace(events, unit, { idOf, source: "kernel", program: "/bin/sleep" });
      checkNobodyElse(events, unit, { idOf, mayBeUnknown: false });
    }
  });
}
