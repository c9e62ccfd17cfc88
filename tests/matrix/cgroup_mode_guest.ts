/**
 * Guests that go through the ways in which a host may use cgroups, one after the other in one boot,
 * and run the agent in each.
 *
 * @module
 */
import type { GuestBoot } from "./boot_kernel.ts";
import { busyboxInit } from "./guest_scripts.ts";
import { addBusybox, findProgram, GuestTree } from "./guest_tree.ts";
import { NEW_PLACES, OLD_PLACES, type PlaceExample } from "../support/cgroup_places.ts";
import { addShrike } from "../e2e/guest_shrike.ts";

/** What can be tried in a guest, in this order, before v2 alone is used. */
export type V1ModeName =
  /** v1 with the pids controller alone. */
  | "legacy_pids"
  /** v1 with memory and pids. */
  | "legacy"
  /** v1 and v2 at /sys/fs/cgroup/unified, containers in both. */
  | "hybrid"
  /** The same with containers in v1 alone. */
  | "hybrid_v1";

/** What can be tried in a guest that has never used v1, in this order. */
export type V2ModeName =
  | "unified"
  /** v2, the agent in a cgroup namespace. */
  | "namespace"
  /** v2, the agent in a container with the host's pids whose own mount shows its cgroups alone. */
  | "container"
  /** v2, the agent in a container with pids of its own that sees no cgroups. */
  | "bare_container";

export type ModeName = V1ModeName | V2ModeName;

/**
 * What a guest shall try. v1 and v2 need a guest each: the kernel holds on to v1 hierarchies, for
 * what their cgroups were charged with, and a v2 hierarchy that was mounted once is there for good.
 */
export interface ModesTrial {
  readonly modes: readonly V1ModeName[] | readonly V2ModeName[];
  /** Those in which `shrike doctor` is run, too: it takes as long as all the rest. */
  readonly examined: readonly ModeName[];
}

const RESULTS = "/guest/results";

/** A file of the guest: lines of `run`, JSON of `doctor`, what the agent told as `metrics`. */
export function resultFile(mode: ModeName, command: "run" | "doctor" | "metrics"): string {
  return `${RESULTS}/${mode}.${command}`;
}

/** A container whose processes fetch the agent's own metrics: traffic of a size that is known. */
export const CARRIER_ID = "ca44".repeat(16);
const METRICS_ADDRESS = "127.0.0.1:9464";
const PAGES = 3;

/** PATH PROGRAM ARGS: becomes the program in that cgroup, in each of the hierarchies of ROOTS. */
const ENTER = `#!/bin/sh
path=$1; shift
for root in $ROOTS; do echo 0 >"$root$path/cgroup.procs" || exit 120; done
exec "$@"
`;

/** PROGRAM ARGS, as in a container with the host's pids: its own view of cgroups, read-only. */
const WITH_OWN_CGROUPS = `#!/bin/sh
umount /sys/fs/cgroup && mount -t cgroup2 -o ro cgroup2 /sys/fs/cgroup || exit 121
exec "$@"
`;

/** PROGRAM ARGS, as in a container with its own pids and no cgroups at all. */
const WITHOUT_CGROUPS = `#!/bin/sh
umount /sys/fs/cgroup && mount -t proc proc /proc || exit 121
exec "$@"
`;

/** FILE: what the agent tells as metrics. */
const FETCH = `#!/bin/sh
exec /bin/busybox wget -q -O "$1" http://${METRICS_ADDRESS}/metrics
`;

const FUNCTIONS = `
mkdir -p ${RESULTS}
exec 3>&1
is_in() { case " $2 " in *" $1 "*) ;; *) return 1 ;; esac; }
say() { echo "@ $*" >&3; }
wait_for() {
  n=0
  until "$@"; do
    n=$((n+1))
    [ $n -lt 300 ] || { say late "$mode" "$*"; return 1; }
    sleep 0.1
  done
}
has() { grep -q "$1" "$2" 2>/dev/null; }

make() { for root in $ROOTS; do mkdir -p "$root$1"; done; }
tell() { for root in $ROOTS; do say place "$mode" "$root" "$(stat -c %i "$root$1")" "$1"; done; }

# How a process gets to PATH: as a unit's, as a container's, as one of a user with a manager.
unit() { make "$1"; /guest/enter "$@"; }
container() {
  make "$1"; path=$1; shift
  /guest/enter "$path" /bin/unshare --mount --pid --fork "$@"
}
delegated() {
  manager=\${1%%@1000.service/*}@1000.service
  make "$manager/init.scope"
  for root in $ROOTS; do
    for path in "$root$manager" "$root$manager/init.scope"; do
      chown 1000 "$path" "$path/cgroup.procs"
    done
  done
  /guest/enter "$manager/init.scope" /bin/setpriv --reuid 1000 --clear-groups sh -c '
    for root in $ROOTS; do mkdir -p "$root$1"; done
    exec /guest/enter "$@"
  ' - "$@"
}

# KIND PATH MARK: puts a process there until the mode ends.
hold() {
  "$1" "$2" /bin/sleep "$3" &
  wait_for holds "$2"
}
holds() {
  for pid in $(cat "\${ROOTS%% *}$1/cgroup.procs"); do
    [ "$(cat /proc/$pid/comm)" = sleep ] && return 0
  done 2>/dev/null
  return 1
}

empty() {
  for root in $ROOTS; do
    pids=$(find "$root" -mindepth 2 -name cgroup.procs -exec cat {} +)
    [ -z "$pids" ] || { kill -KILL $pids; return 1; }
  done 2>/dev/null
}
cleared() {
  find $ROOTS -mindepth 1 -depth -type d -exec rmdir {} + 2>/dev/null
  [ -z "$(find $ROOTS -mindepth 1 -type d)" ]
}

# MODE ROOTS AGENT-PATH PREFIX: the agent, called by PREFIX in the cgroup AGENT-PATH, while
# programs run in all places below ROOTS.
try_mode() {
  is_in $1 "$MODES" || return 0
  mode=$1; export ROOTS="$2"; home=$3; shift 3
  # Else ids of one hierarchy would be those of the others.
  count=0
  for root in $ROOTS; do
    count=$((count+1)); n=0
    while [ $n -lt $count ]; do n=$((n+1)); mkdir "$root/x" && rmdir "$root/x"; done
  done
  make "$home"
  visit_old hold
  ! is_in $mode "$EXAMINED" || {
    /guest/enter "$home" "$@" shrike doctor -o json 2>&3; say doctor "$mode" $?
  } | cat >${RESULTS}/$mode.doctor
  { /guest/enter "$home" "$@" shrike run -o json --metrics-address ${METRICS_ADDRESS} 2>&3
    say agent "$mode" $?; } | cat >${RESULTS}/$mode.run &
  agent=$!
  wait_for has '"procFS"' ${RESULTS}/$mode.run
  visit_new
  visit_old visit
  n=0
  while [ $n -lt ${PAGES} ]; do
    n=$((n+1))
    container '/docker/${CARRIER_ID}' /guest/fetch /run/page
    say page "$mode" "$(wc -c </run/page)"
  done
  # Under emulation a page takes longer than a scrape waits, and one of at most 10 s is given: by
  # now it must be one that was begun after the others.
  sleep 11
  /guest/fetch ${RESULTS}/$mode.metrics
  /bin/true end
  wait_for has '"end"' ${RESULTS}/$mode.run
  # unshare, which is there too, leaves this signal to its child.
  kill -TERM $(cat "\${ROOTS%% *}$home/cgroup.procs")
  wait $agent
  wait_for empty && wait_for cleared
}
visit() { "$1" "$2" /bin/true "$3"; }
`;

/** v1, then v2 beside it. */
const V1_SCRIPT = `
at=/sys/fs/cgroup
own=/system.slice/shrike.service
v1() { mkdir -p $at/$1 && mount -t cgroup -o "\${2:-$1}" $1 $at/$1; }

mount -t tmpfs tmpfs $at
v1 pids || exit 30
try_mode legacy_pids $at/pids $own
roots=$at/pids
if v1 memory 2>/dev/null; then
  roots="$at/memory $at/pids"
  try_mode legacy "$roots" $own
else
  say skip legacy "this kernel has no v1 memory controller"
fi
mkdir $at/unified && mount -t cgroup2 cgroup2 $at/unified && v1 systemd none,name=systemd || exit 31
try_mode hybrid "$at/unified $at/systemd $roots" $own
try_mode hybrid_v1 "$roots" $own
`;

const V2_SCRIPT = `
at=/sys/fs/cgroup
own=/system.slice/shrike.service
mount -t cgroup2 cgroup2 $at || exit 30
try_mode unified $at $own
try_mode namespace $at $own /bin/unshare --cgroup
try_mode container $at ${agentHome()} /bin/unshare --cgroup --mount /guest/with_own_cgroups
try_mode bare_container $at ${agentHome()} \\
  /bin/unshare --cgroup --mount --pid --fork /guest/without_cgroups
`;

/** Cgroup of the container that the agent is in. */
function agentHome(): string {
  return `/docker/${"5417".repeat(16)}`;
}

/** What {@link bootGuest} needs for a guest that tries these modes. */
export async function modesGuest(
  { modes, examined }: ModesTrial,
): Promise<Pick<GuestBoot, "tree" | "init" | "command" | "outputs">> {
  const tree = new GuestTree();
  await addBusybox(tree);
  for (const name of ["unshare", "setpriv"]) {
    await tree.addProgram(`/bin/${name}`, await findProgram(name));
  }
  await addShrike(tree, "/bin/shrike");
  tree.addText("/init", busyboxInit({ cgroups: false }), 0o755);
  tree.addText("/guest/enter", ENTER, 0o755);
  tree.addText("/guest/fetch", FETCH, 0o755);
  tree.addText("/guest/with_own_cgroups", WITH_OWN_CGROUPS, 0o755);
  tree.addText("/guest/without_cgroups", WITHOUT_CGROUPS, 0o755);
  const command = [
    ...[`MODES='${modes.join(" ")}' EXAMINED='${examined.join(" ")}'`, FUNCTIONS],
    ...["visit_new() {", ...NEW_PLACES.flatMap((place) => visit(place, "visit")), "}"],
    ...["visit_old() {", ...OLD_PLACES.flatMap((place) => visit(place, '"$1"')), "}"],
    modes.some((mode) => /^(legacy|hybrid)/.test(mode)) ? V1_SCRIPT : V2_SCRIPT,
  ].join("\n");
  const outputs = modes.flatMap((mode) =>
    (["run", "doctor", "metrics"] as const).map((command) => resultFile(mode, command))
  );
  return { tree, init: "/init", command, outputs };
}

function visit(place: PlaceExample, how: string): string[] {
  const { mark, path, namedBy = path, isContainer, isDelegated } = place;
  const kind = isContainer ? "container" : isDelegated ? "delegated" : "unit";
  return [
    `${how} ${kind} '${path}' ${mark}`,
    ...new Set([path, namedBy]).values().map((each) => `tell '${each}'`),
  ];
}
