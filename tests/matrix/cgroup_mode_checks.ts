/**
 * What the agent must find out in each cgroup mode, and whether it has.
 *
 * @module
 */
import assert from "node:assert/strict";
import { CARRIER_ID, type ModeName, resultFile } from "./cgroup_mode_guest.ts";
import { NEW_PLACES, OLD_PLACES } from "../support/cgroup_places.ts";
import { parseLines } from "../e2e/event_json.ts";
import { receivedIn, sentIn } from "../e2e/network_workloads.ts";
import { checkNobodyElse, checkPlace, type PlacedEvent } from "../e2e/placed_events.ts";

/** What the agent must find out about a mode. */
interface ModeExpectation {
  /** In the words of `shrike doctor`. */
  readonly mode: "legacy" | "hybrid" | "unified";
  /** Where the hierarchy is mounted whose cgroups it must follow. */
  readonly followed: string;
  /** v1 controller it must be found by. */
  readonly controller?: string;
  /** What the agent must say that it cannot see. */
  readonly warning?: RegExp;
  /** The agent cannot see cgroups that are older than itself. */
  readonly hidesOld?: true;
  /** The root of v2 is out of reach, so traffic is not counted, and that is told. */
  readonly countsNoTraffic?: true;
  /** Numbers of /proc are not the kernel's. */
  readonly hasOwnPids?: true;
  /** How the agent was started, in the words of `shrike doctor`. */
  readonly deployment?: RegExp;
}

/** Of one end, and of its end. */
const HANDSHAKE_PACKETS = 4;
/** Status line and headers of HTTP. */
const RESPONSE_HEADERS_MAX = 512;
/** IPv4 and TCP with all options. */
const PACKET_HEADERS_MAX = 20 + 60;

const AT = "/sys/fs/cgroup";
const MODES: Readonly<Record<ModeName, ModeExpectation>> = {
  legacy_pids: { mode: "legacy", followed: `${AT}/pids`, controller: "pids" },
  legacy: { mode: "legacy", followed: `${AT}/memory`, controller: "memory" },
  hybrid: { mode: "hybrid", followed: `${AT}/unified` },
  hybrid_v1: { mode: "hybrid", followed: `${AT}/memory`, controller: "memory" },
  unified: { mode: "unified", followed: AT },
  namespace: {
    ...{ mode: "unified", followed: AT },
    warning: /this process is in a cgroup namespace: .* parents have no names in it/,
  },
  container: {
    ...{ mode: "unified", followed: AT },
    // By the mounts of the host's first process.
    warning: /this process is in a cgroup namespace: .* parents have no names in it/,
    deployment: /^container, in a container: own cgroup/,
  },
  bare_container: {
    ...{ mode: "unified", followed: AT, hidesOld: true },
    warning: /v2 is not mounted where this process can see it/,
    deployment: /^container, in a container: pid namespace is not the host's/,
    hasOwnPids: true,
    countsNoTraffic: true,
  },
};

/** A guest that has gone through modes. */
export interface TriedGuest {
  readonly output: string;
  readonly files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;
}

/** Why the guest left modes out, by mode. */
export function skippedModes({ output }: TriedGuest): ReadonlyMap<string, string> {
  return readSayings(output).skipped;
}

/** Checks what the agent, and doctor if it was run, said in a mode. */
export function checkMode(guest: TriedGuest, mode: ModeName, isExamined: boolean): void {
  const { output, files } = guest;
  const said = readSayings(output);
  const read = (path: string) => new TextDecoder().decode(files.get(path));
  assert.deepEqual(said.late, [], output);
  assert.equal(said.ends.get(mode), "0", output);
  const events = parseLines(read(resultFile(mode, "run"))) as PlacedEvent[];
  checkEvents(events, said.ids.get(mode) ?? new Map(), MODES[mode]);
  const { warning, hasOwnPids } = MODES[mode];
  if (warning !== undefined) assert.match(output, warning);
  if (hasOwnPids) assert.match(output, /Processes: this process is in a pid namespace of its own/);
  const metrics = read(resultFile(mode, "metrics"));
  const state = MODES[mode].countsNoTraffic ? "off" : "ok";
  assert.match(metrics, new RegExp(`^shrike_network_accounting\\{state="${state}"\\} 1$`, "m"));
  if (state === "ok") checkTraffic(metrics, said.pages.get(mode) ?? []);
  else assert.match(output, /no root of cgroup v2/);
  if (isExamined) checkDoctor(JSON.parse(read(resultFile(mode, "doctor"))), mode);
}

/** Inodes of directories, by "MOUNT PATH". */
type DirectoryIds = ReadonlyMap<string, string>;

/** Lines that the guest's script has said. */
interface Sayings {
  /** By mode. */
  readonly ids: ReadonlyMap<string, DirectoryIds>;
  readonly skipped: ReadonlyMap<string, string>;
  /** Exit codes of the agents, by mode. */
  readonly ends: ReadonlyMap<string, string>;
  /** Sizes of the pages that the carrier has fetched, by mode. */
  readonly pages: ReadonlyMap<string, readonly number[]>;
  /** What did not happen in time. */
  readonly late: readonly string[];
}

function readSayings(output: string): Sayings {
  const ids = new Map<string, Map<string, string>>();
  const skipped = new Map<string, string>();
  const ends = new Map<string, string>();
  const pages = new Map<string, number[]>();
  const late: string[] = [];
  for (const [, word, mode = "", rest = ""] of output.matchAll(/^@ (\w+) (\w+) (.*)$/gm)) {
    if (word === "skip") skipped.set(mode, rest);
    else if (word === "agent") ends.set(mode, rest);
    else if (word === "page") pages.set(mode, [...pages.get(mode) ?? [], Number(rest)]);
    else if (word === "late") late.push(`${mode} ${rest}`);
    else if (word === "place") {
      const [mount, id = "", path] = rest.split(" ");
      const known = ids.get(mode) ?? new Map<string, string>();
      ids.set(mode, known.set(`${mount} ${path}`, id));
    }
  }
  return { ids, skipped, ends, pages, late };
}

function checkEvents(events: PlacedEvent[], ids: DirectoryIds, mode: ModeExpectation): void {
  const idOf = (path: string) => {
    const id = ids.get(`${mode.followed} ${path}`);
    assert(id !== undefined, `${mode.followed}${path} was not made`);
    return id;
  };
  // Ids that were the same in two hierarchies would not show which of them was followed.
  for (const { path } of NEW_PLACES) {
    const all = [...ids].filter(([key]) => key.endsWith(` ${path}`)).map(([, id]) => id);
    assert.equal(new Set(all).size, all.length, `ids of ${path}: ${all}`);
  }
  for (const place of NEW_PLACES) checkPlace(events, place, { idOf, source: "kernel" });
  for (const place of OLD_PLACES) {
    if (mode.hidesOld) continue;
    checkPlace(events, place, { idOf, source: "path" });
    checkPlace(events, place, { idOf, source: "path", program: "/bin/sleep" });
  }
  // <kernel> is told at the start, too.
  const existing = events.filter(({ process_exec: exec }) =>
    exec?.process.flags?.includes("procFS") && exec.process.pid !== 0
  );
  assert.equal(existing.length === 0, mode.hasOwnPids ?? false, JSON.stringify(existing));
  for (const place of NEW_PLACES) checkNobodyElse(events, place, { idOf, mayBeUnknown: false });
  const mayBeUnknown = mode.hidesOld ?? false;
  for (const place of OLD_PLACES) checkNobodyElse(events, place, { idOf, mayBeUnknown });
}

/** The carrier has received its pages and little more; who has sent them is another workload. */
function checkTraffic(metrics: string, pages: readonly number[]): void {
  const size = pages.reduce((sum, page) => sum + page, 0);
  assert(pages.length > 0 && pages.every((page) => page > 1000), `${pages}`);
  const name = CARRIER_ID.slice(0, 12);
  const [received, sent] = [receivedIn(metrics, name), sentIn(metrics, name)];
  const most = size + pages.length * RESPONSE_HEADERS_MAX + received.packets * PACKET_HEADERS_MAX;
  assert(
    received.bytes > size && received.bytes <= most,
    `${received.bytes} of ${size} to ${most}`,
  );
  assert(sent.packets >= pages.length, `${sent.packets}`);
  const all = sentIn(metrics).bytes;
  assert(all >= received.bytes + sent.bytes, `${all}`);
  // In v1 nobody knows whose a listener is that is older than the programs, as the agent's own.
  const unknown = sentIn(metrics, "unknown").bytes;
  const shaken = (pages.length + 1) * HANDSHAKE_PACKETS * PACKET_HEADERS_MAX;
  assert(unknown <= shaken, `${unknown} bytes of which the workload is not known`);
}

/** The part of `shrike doctor -o json` that is looked at. */
interface DoctorReport {
  readonly cgroups: {
    readonly mode: string;
    readonly hierarchies: readonly { readonly id: number; readonly mount?: string }[];
    readonly tracked: {
      readonly hierarchy: number;
      readonly subsystem?: { readonly name: string };
    };
  };
  readonly findings: readonly {
    readonly name: string;
    readonly status: string;
    readonly text: string;
  }[];
}

function checkDoctor({ cgroups, findings }: DoctorReport, name: ModeName): void {
  const { mode, followed, controller, warning, deployment } = MODES[name];
  assert.equal(cgroups.mode, mode);
  assert.equal(cgroups.tracked.subsystem?.name, controller);
  const tracked = cgroups.hierarchies.find(({ id }) => id === cgroups.tracked.hierarchy);
  if (name !== "bare_container") {
    assert.equal(tracked?.mount?.replace(/^\/proc\/1\/root/, ""), followed);
    const own = findings.find((finding) => finding.name === "own id");
    assert.match(own?.text ?? "", /own cgroup has id \d+ in the kernel and in user space/);
  }
  assert.deepEqual(findings.filter(({ status }) => status === "problem"), []);
  if (deployment !== undefined) {
    assert.match(findings.find((each) => each.name === "deployment")?.text ?? "", deployment);
  }
  const detection = findings.filter((finding) => finding.name === "detection");
  assert.equal(detection.length, warning === undefined ? 0 : 1, JSON.stringify(detection));
  if (warning !== undefined) assert.match(detection[0]!.text, warning);
}
