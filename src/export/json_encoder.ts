/**
 * Events as JSON lines with Tetragon's field names; README.md has the rules and our own keys.
 *
 * @module
 */
import type {
  AgentEvent,
  AmendEvent,
  CgroupEvent,
  GapEvent,
  Process,
  ProcessEvent,
  ProcessReference,
} from "../events/mod.ts";
import { jsonString, jsonStrings } from "./json_text.ts";
import type { LineEncoder } from "./line_encoder.ts";
import {
  binaryPropertiesJson,
  cgroupJson,
  processFragment,
  type ProcessJsonOptions,
} from "./process_json.ts";
import { Rfc3339Format } from "./timestamp.ts";

export interface JsonEncoderOptions extends ProcessJsonOptions {
  readonly nodeName: string;
}

/** One JSON object per event. A process is encoded once, whatever number of events show it. */
export class JsonEncoder implements LineEncoder {
  readonly header = "";
  readonly #options: ProcessJsonOptions;
  readonly #nodeName: string;
  /** Bounded by the processes that something else keeps alive: the process cache, queued events. */
  readonly #fragments = new WeakMap<Process, string>();
  /** Times of events are near each other, start times of processes are not near those. */
  readonly #eventTimes = new Rfc3339Format();
  readonly #startTimes = new Rfc3339Format();

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
    return `${this.#fragment(process)},"tid":${process.tgid}}`;
  }

  #event(event: AgentEvent, time: string): string {
    switch (event.type) {
      case "gap":
        return this.#gap(event);
      case "process_exec":
      case "process_fork":
      case "process_exit":
        return this.#body(event, time);
      case "amend":
        return this.#amend(event);
      default:
        return this.#cgroup(event);
    }
  }

  #amend({ execId, cgroup, workload }: AmendEvent): string {
    const { kind, name } = workload;
    const known = `{"kind":"${kind}","name":${jsonString(name)}}`;
    return `{"exec_id":${jsonString(execId)},"cgroup":${cgroupJson(cgroup)},"workload":${known}}`;
  }

  #cgroup(event: CgroupEvent): string {
    const { cgroup, subject, parentId, marks } = event;
    let body = `{"cgroup":${cgroupJson(cgroup)},"hierarchy":${cgroup.hierarchy}`;
    if (parentId !== 0n) body += `,"parent_id":"${parentId}"`;
    if (subject !== undefined) body += `,"process":${this.#reference(subject)}`;
    body += `,"cpu":${event.cpu}`;
    if (marks.length > 0) body += `,"marks":${jsonStrings(marks)}`;
    return body + "}";
  }

  #body(event: ProcessEvent, time: string): string {
    let body = `{"process":${this.#subject(event)}`;
    if (event.parent !== undefined) body += `,"parent":${this.#reference(event.parent)}`;
    if (event.ancestors !== undefined && event.ancestors.length > 0) {
      let separator = ',"ancestors":[';
      for (const ancestor of event.ancestors) {
        body += separator + this.#reference(ancestor);
        separator = ",";
      }
      body += "]";
    }
    if (event.type === "process_exit") {
      if (event.signal !== "") body += `,"signal":${jsonString(event.signal)}`;
      if (event.status !== 0) body += `,"status":${event.status}`;
      body += `,"time":"${time}"`;
      if (event.coreDumped) body += ',"core_dumped":true';
    }
    body += `,"cpu":${event.cpu}`;
    if (event.marks.length > 0) body += `,"marks":${jsonStrings(event.marks)}`;
    return body + "}";
  }

  #subject(event: ProcessEvent): string {
    if (event.type === "process_exec" && this.#options.enableProcessCred) {
      const properties = binaryPropertiesJson(event.subject.process);
      if (properties !== "") {
        return this.#reference(event.subject, `,"binary_properties":${properties}`);
      }
    }
    return this.#reference(event.subject);
  }

  #reference(reference: ProcessReference, more = ""): string {
    const process = reference.process;
    const count = reference.references === 0 ? "" : `,"refcnt":${reference.references}`;
    return `${this.#fragment(process)},"tid":${process.tgid}${count}${more}}`;
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
