/**
 * Which events a sink shows. One filter for all outputs.
 *
 * @module
 */
import type {
  AgentEvent,
  AmendEvent,
  CgroupEvent,
  FlowEvent,
  Process,
  ProcessEvent,
  ProcessExecEvent,
  Workload,
} from "../events/mod.ts";
import type { Counters } from "../telemetry/mod.ts";
import { AmendableExecs } from "./amendable_execs.ts";
import { isProcessEvent } from "./event_kind.ts";
import {
  FilterError,
  type FilterExpression,
  parseFilterExpression,
  suggestionHint,
} from "./filter_expression.ts";
import {
  type ConditionOptions,
  type ProcessCondition,
  processCondition,
  readPid,
} from "./process_conditions.ts";
import { NetworkConditions } from "./network_conditions.ts";
import { PolicyConditions } from "./policy_conditions.ts";
import { ProcessTree } from "./process_tree.ts";
import { type Verdict, WorkloadConditions } from "./workload_conditions.ts";

export interface EventFilterOptions extends ConditionOptions {
  readonly counters: Counters;
  /**
   * Whether forks are shown when no filter names them; default false, because `needsForks` may
   * make the pipeline emit forks that nobody wants to see.
   */
  readonly showForks?: boolean;
  /** Whether amendments are shown when no filter names them; default true. */
  readonly showAmends?: boolean;
}

type EventType = AgentEvent["type"];

const FILTERS_MAX = 64;

const EVENT_NAMES = new Map<string, EventType>([
  ["exec", "process_exec"],
  ["exit", "process_exit"],
  ["fork", "process_fork"],
  ["gap", "gap"],
  ["kprobe", "process_kprobe"],
  ["tracepoint", "process_tracepoint"],
  ["lsm", "process_lsm"],
  ["connect", "process_connect"],
  ["accept", "process_accept"],
  ["listen", "process_listen"],
  ["close", "process_close"],
  ["dns", "process_dns"],
  ["signal", "process_signal"],
  ["oom_kill", "oom_kill"],
  ["flow", "flow"],
  ["amend", "amend"],
  ["process_signal", "process_signal"],
  ["process_exec", "process_exec"],
  ["process_exit", "process_exit"],
  ["process_fork", "process_fork"],
  ["process_kprobe", "process_kprobe"],
  ["process_tracepoint", "process_tracepoint"],
  ["process_lsm", "process_lsm"],
  ["process_connect", "process_connect"],
  ["process_accept", "process_accept"],
  ["process_listen", "process_listen"],
  ["process_close", "process_close"],
  ["process_dns", "process_dns"],
  ["cgroup_created", "cgroup_created"],
  ["cgroup_removed", "cgroup_removed"],
  ["cgroup_released", "cgroup_released"],
  ["cgroup_renamed", "cgroup_renamed"],
  ["cgroup_attached", "cgroup_attached"],
]);

/** Those that hints name. */
const EVENT_WORDS = [
  ...["exec", "exit", "fork", "kprobe", "tracepoint", "lsm", "amend", "gap"],
  ...["connect", "accept", "listen", "close", "dns", "flow", "signal", "oom_kill"],
];

/** All expressions must hold, one value of each list is enough. Gap events always pass. */
export class EventFilter {
  /** Whether it can only be right when it is shown fork events too. */
  readonly needsForks: boolean;
  readonly #types: Set<EventType>;
  readonly #processes: ProcessCondition[] = [];
  readonly #trees: TreeCondition[] = [];
  readonly #workloads = new WorkloadConditions();
  readonly #policies = new PolicyConditions();
  readonly #network = new NetworkConditions();
  readonly #amendable: AmendableExecs;
  /** Whether an amendment is judged by what was said of the event it amends. */
  readonly #notesExecs: boolean;

  /** @throws {FilterError} */
  constructor(expressions: readonly string[], options: EventFilterOptions) {
    const over = expressions[FILTERS_MAX];
    if (over !== undefined) {
      const problem = `more than ${FILTERS_MAX} filters`;
      throw new FilterError(over, 0, over, problem, "join values of one key with commas");
    }
    this.#types = new Set(EVENT_NAMES.values());
    const named = new Set<EventType>();
    for (const expression of expressions) {
      this.#add(parseFilterExpression(expression), named, options);
    }
    const namesForks = named.has("process_fork");
    if (!namesForks && options.showForks !== true) this.#types.delete("process_fork");
    if (!named.has("amend") && options.showAmends === false) this.#types.delete("amend");
    this.needsForks = namesForks || this.#trees.length > 0;
    this.#notesExecs = this.#types.has("amend") && !this.#asksMore &&
      (this.#asksProcess || !this.#workloads.isEmpty);
    this.#amendable = new AmendableExecs(options.counters.counter(
      "shrike_export_filter_amends_forgotten_total",
      "Events whose amendment may be left out because too many wait for one",
    ));
  }

  /**
   * Whether the event is shown, undecided when `decide()` can tell better once its workload has a
   * name. Call it once for every event, in order: trees follow them.
   */
  judge(event: AgentEvent): Verdict {
    if (event.type === "gap") return "shown";
    if (isProcessEvent(event)) return this.#judgeProcess(event);
    if (!this.#types.has(event.type)) return "hidden";
    if (event.type === "flow") return this.#showsFlow(event) ? "shown" : "hidden";
    if (this.#asksMore) return "hidden";
    const isShown = event.type === "amend" ? this.#showsAmend(event) : this.#showsCgroup(event);
    return isShown ? "shown" : "hidden";
  }

  /** Whether an event that was undecided is shown, by what is known of its workload. */
  decide(event: ProcessEvent): boolean {
    const { process } = event.subject;
    const isShown = this.#workloads.hold(process.workload);
    if (isShown && event.type === "process_exec" && this.#notesExecs) {
      this.#amendable.note(process, true);
    }
    return isShown;
  }

  /** Asked once about each event that is about to be shown: the last say. */
  admit(_event: AgentEvent): boolean {
    return true;
  }

  /** Whether only what policies told, or only the network, is wanted. */
  get #asksMore(): boolean {
    return this.#policies.asksPolicy || this.#network.asksNetwork;
  }

  get #asksProcess(): boolean {
    return this.#processes.length > 0 || this.#trees.length > 0;
  }

  #add(parsed: FilterExpression, named: Set<EventType>, options: EventFilterOptions): void {
    const { key, operator } = parsed;
    switch (key) {
      case "event": {
        const types = readTypes(parsed);
        const isWanted = operator === "=";
        for (const type of this.#types) if (types.has(type) !== isWanted) this.#types.delete(type);
        if (isWanted) types.forEach((type) => named.add(type));
        break;
      }
      case "tree":
        this.#trees.push(new TreeCondition(parsed, options.counters));
        break;
      case "binary":
      case "args":
      case "argv":
      case "uid":
      case "pid":
        this.#processes.push(processCondition(parsed, key, options));
        break;
      case "policy":
      case "action":
        this.#policies.add(parsed, key);
        break;
      case "peer":
      case "port":
      case "protocol":
      case "domain":
      case "class":
        this.#network.add(parsed, key);
        break;
      default:
        this.#workloads.add(parsed, key);
    }
  }

  #judgeProcess(event: ProcessEvent): Verdict {
    let fits = true;
    // Each tree must see each event, whatever the others say.
    for (const tree of this.#trees) if (!tree.observe(event)) fits = false;
    if (!fits) return "hidden";
    const isExec = event.type === "process_exec";
    const isShown = this.#types.has(event.type) && this.#policies.hold(event) &&
      this.#network.hold(event);
    if (!isShown && !(isExec && this.#notesExecs)) return "hidden";
    const { process } = event.subject;
    for (const condition of this.#processes) if (!condition(process)) return "hidden";
    const verdict = isShown ? this.#workloads.judge(process.workload) : "hidden";
    if (isExec && this.#notesExecs) this.#noteExec(event, verdict);
    return verdict;
  }

  #noteExec({ subject: { process } }: ProcessExecEvent, verdict: Verdict): void {
    // Who asks about the workload only is answered by the amendment itself.
    if (verdict === "shown" || this.#asksProcess) {
      this.#amendable.note(process, verdict === "shown");
    }
  }

  /** When the event it amends was shown, or would be shown now. */
  #showsAmend({ execId, workload }: AmendEvent): boolean {
    if (this.#notesExecs) {
      const wasShown = this.#amendable.take(execId, workload);
      if (wasShown === true) return true;
      if (wasShown === undefined && this.#asksProcess) return false;
    }
    return this.#workloads.hold(workload);
  }

  /** By the process that acted or was moved. */
  #showsCgroup(event: CgroupEvent): boolean {
    return this.#showsActor(event, event.subject?.process.workload);
  }

  #showsFlow(event: FlowEvent): boolean {
    return this.#policies.hold(event) && this.#network.hold(event) &&
      this.#showsActor(event, event.workload);
  }

  /** A process or workload that is not known matches no condition. */
  #showsActor(
    { subject }: Pick<FlowEvent | CgroupEvent, "subject">,
    workload: Workload | undefined,
  ): boolean {
    const process = subject?.process;
    const isProcess = process === undefined
      ? !this.#asksProcess
      : this.#trees.every((tree) => tree.contains(process)) &&
        this.#processes.every((condition) => condition(process));
    if (!isProcess) return false;
    return workload === undefined ? this.#workloads.isEmpty : this.#workloads.hold(workload);
  }
}

/** `tree=` and `tree!=`. */
class TreeCondition {
  readonly #tree: ProcessTree;
  readonly #wanted: boolean;

  constructor(parsed: FilterExpression, counters: Counters) {
    const overflow = counters.counter(
      "shrike_export_tree_overflow_total",
      "Members of a filtered process tree that were too many to follow",
    );
    this.#tree = new ProcessTree(parsed.values.map((value) => readPid(parsed, value)), overflow);
    this.#wanted = parsed.operator === "=";
  }

  observe(event: ProcessEvent): boolean {
    return this.#tree.observe(event) === this.#wanted;
  }

  contains(process: Process): boolean {
    return this.#tree.contains(process) === this.#wanted;
  }
}

function readTypes(parsed: FilterExpression): ReadonlySet<EventType> {
  return new Set(parsed.values.map(({ text, position }) => {
    const type = EVENT_NAMES.get(text);
    if (type !== undefined) return type;
    const hint = suggestionHint(text, EVENT_WORDS, "events");
    const problem = `unknown event "${text}"`;
    throw new FilterError(parsed.expression, position, text, problem, hint);
  }));
}
