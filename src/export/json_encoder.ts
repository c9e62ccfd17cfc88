/**
 * Events as JSON lines with Tetragon's field names; README.md has the rules and our own keys.
 *
 * @module
 */
import type {
  AgentEvent,
  AmendEvent,
  CgroupEvent,
  FlowEvent,
  GapEvent,
  Process,
  ProcessEvent,
  ProcessReference,
  Workload,
} from "../events/mod.ts";
import { isNetworkEvent, isPolicyEvent, isSignalEvent } from "./event_kind.ts";
import { jsonString, jsonStrings } from "./json_text.ts";
import type { LineEncoder } from "./line_encoder.ts";
import { networkMembers, socketJson, trafficJson } from "./network_json.ts";
import { policyMembers } from "./policy_json.ts";
import {
  binaryPropertiesJson,
  cgroupJson,
  processFragment,
  type ProcessJsonOptions,
} from "./process_json.ts";
import { signalMembers } from "./signal_json.ts";
import { Rfc3339Format } from "./timestamp.ts";
import { identityMembers, type WorkloadFragment, workloadFragment } from "./workload_json.ts";

export interface JsonEncoderOptions extends ProcessJsonOptions {
  readonly nodeName: string;
}

/** The subject of an event has all of its workload, its parent and ancestors what names it. */
type WorkloadForm = "full" | "short";

/**
 * One JSON object per event. A process is encoded once, whatever number of events show it; so is a
 * workload, whatever number of processes it has.
 */
export class JsonEncoder implements LineEncoder {
  readonly header = "";
  readonly #options: ProcessJsonOptions;
  readonly #nodeName: string;
  /** Bounded by the processes that something else keeps alive: the process cache, queued events. */
  readonly #fragments = new WeakMap<Process, string>();
  /** Bounded by the same processes and by the table of workloads. */
  readonly #workloads = new WeakMap<Workload, WorkloadFragment>();
  /** Times of events are near each other, start times of processes are not near those. */
  readonly #eventTimes = new Rfc3339Format();
  readonly #startTimes = new Rfc3339Format();
  readonly #packetTimes = new Rfc3339Format();

  constructor(options: JsonEncoderOptions) {
    this.#options = options;
    this.#nodeName = jsonString(options.nodeName);
  }

  encode(event: AgentEvent): string {
    const time = this.#eventTimes.format(event.timeNs);
    const body = `{"${event.type}":${this.#event(event, time)}`;
    return `${body},"node_name":${this.#nodeName},"time":"${time}"}\n`;
  }

  /** The `process` object alone, as in events but with no reference count. */
  encodeProcess(process: Process): string {
    return `${this.#process(process, "full")},"tid":${process.tgid}}`;
  }

  #event(event: AgentEvent, time: string): string {
    switch (event.type) {
      case "gap":
        return this.#gap(event);
      case "process_exec":
      case "process_fork":
      case "process_exit":
      case "process_kprobe":
      case "process_tracepoint":
      case "process_lsm":
      case "process_connect":
      case "process_accept":
      case "process_listen":
      case "process_close":
      case "process_dns":
      case "process_signal":
      case "oom_kill":
        return this.#body(event, time);
      case "flow":
        return this.#flow(event);
      case "amend":
        return this.#amend(event);
      default:
        return this.#cgroup(event);
    }
  }

  /** No process, so the container of the pod has no `pid`. */
  #amend({ execId, cgroup, workload }: AmendEvent): string {
    const known = this.#workload(workload);
    const place = cgroup.id === 0n ? "" : `,"cgroup":${cgroupJson(cgroup)}`;
    const members = `${place}${identityMembers(known)}${known.full}`;
    return `{"exec_id":${jsonString(execId)}${members}}`;
  }

  /** The workload is that of now; the one in `process` is what was known of it at some event. */
  #flow(event: FlowEvent): string {
    const { subject, parent, workload, socket, isOutgoing, counts, marks } = event;
    const known = this.#workload(workload);
    let body = subject === undefined ? "" : `,"process":${this.#reference(subject, "short")}`;
    if (parent !== undefined) body += `,"parent":${this.#reference(parent, "short")}`;
    body += identityMembers(known) + known.full;
    if (socket !== undefined) body += `,"socket":${socketJson(socket)}`;
    if (event.isOther) body += ',"other":true';
    if (isOutgoing !== undefined) body += `,"outgoing":${isOutgoing}`;
    if (event.isStarted) body += ',"started":true';
    if (event.isEnded) body += ',"ended":true';
    body += `,"connections":${event.connections},"traffic":${trafficJson(counts)}`;
    body += `,"interval_ns":"${event.intervalNs}"`;
    body += `,"first_time":"${this.#packetTimes.format(event.firstTimeNs)}"`;
    body += `,"last_time":"${this.#packetTimes.format(event.lastTimeNs)}"`;
    if (marks.length > 0) body += `,"marks":${jsonStrings(marks)}`;
    return `{${body.slice(1)}}`;
  }

  #cgroup(event: CgroupEvent): string {
    const { cgroup, subject, parentId, marks } = event;
    let body = `{"cgroup":${cgroupJson(cgroup)},"hierarchy":${cgroup.hierarchy}`;
    if (parentId !== 0n) body += `,"parent_id":"${parentId}"`;
    if (subject !== undefined) body += `,"process":${this.#reference(subject, "full")}`;
    body += `,"cpu":${event.cpu}`;
    if (marks.length > 0) body += `,"marks":${jsonStrings(marks)}`;
    return body + "}";
  }

  #body(event: ProcessEvent, time: string): string {
    let body = `{"process":${this.#subject(event)}`;
    if (event.parent !== undefined) body += `,"parent":${this.#reference(event.parent, "short")}`;
    if (event.ancestors !== undefined && event.ancestors.length > 0) {
      let separator = ',"ancestors":[';
      for (const ancestor of event.ancestors) {
        body += separator + this.#reference(ancestor, "short");
        separator = ",";
      }
      body += "]";
    }
    if (event.type === "process_exit") {
      if (event.signal !== "") body += `,"signal":${jsonString(event.signal)}`;
      if (event.status !== 0) body += `,"status":${event.status}`;
      body += `,"time":"${time}"`;
      if (event.coreDumped) body += ',"core_dumped":true';
    } else if (isPolicyEvent(event)) body += policyMembers(event);
    else if (isNetworkEvent(event)) body += networkMembers(event);
    else if (isSignalEvent(event)) {
      body += signalMembers(event, (of, tid) => this.#reference(of, "short", { tid }));
    }
    body += `,"cpu":${event.cpu}`;
    if (event.marks.length > 0) body += `,"marks":${jsonStrings(event.marks)}`;
    return body + "}";
  }

  #subject(event: ProcessEvent): string {
    if (isPolicyEvent(event) || event.type === "process_signal") {
      return this.#reference(event.subject, "full", { tid: event.tid });
    }
    if (event.type === "process_exec" && this.#options.enableProcessCred) {
      const properties = binaryPropertiesJson(event.subject.process);
      if (properties !== "") {
        return this.#reference(event.subject, "full", {
          more: `,"binary_properties":${properties}`,
        });
      }
    }
    return this.#reference(event.subject, "full");
  }

  #reference(
    { process, references }: ProcessReference,
    form: WorkloadForm,
    { tid = process.tgid, more = "" }: { readonly tid?: number; readonly more?: string } = {},
  ): string {
    const count = references === 0 ? "" : `,"refcnt":${references}`;
    return `${this.#process(process, form)},"tid":${tid}${count}${more}}`;
  }

  #process(process: Process, form: WorkloadForm): string {
    const workload = this.#workload(process.workload);
    const identity = identityMembers(workload, process.namespaceTgid);
    return this.#fragment(process) + identity + workload[form];
  }

  #workload(workload: Workload): WorkloadFragment {
    let fragment = this.#workloads.get(workload);
    if (fragment === undefined) {
      fragment = workloadFragment(workload, this.#startTimes);
      this.#workloads.set(workload, fragment);
    }
    return fragment;
  }

  #fragment(process: Process): string {
    let fragment = this.#fragments.get(process);
    if (fragment === undefined) {
      fragment = processFragment(process, this.#options, this.#startTimes);
      this.#fragments.set(process, fragment);
    }
    return fragment;
  }

  #gap(event: GapEvent): string {
    let body = `{"cause":${jsonString(event.cause)}`;
    if (event.cpu !== undefined) body += `,"cpu":${event.cpu}`;
    if (event.kind !== undefined) body += `,"kind":${jsonString(event.kind)}`;
    if (event.sink !== undefined) body += `,"sink":${jsonString(event.sink)}`;
    const first = this.#eventTimes.format(event.firstTimeNs);
    const last = this.#eventTimes.format(event.lastTimeNs);
    return `${body},"count":"${event.count}","first_time":"${first}","last_time":"${last}"}`;
  }
}
