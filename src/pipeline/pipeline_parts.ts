/**
 * What a pipeline is made of, and how it behaves.
 *
 * @module
 */
import type { RecordSource } from "../capture/mod.ts";
import type { CgroupAttached, CgroupFound, ProcessFact, ProcessFound } from "../events/mod.ts";
import type { RecordDecoder } from "../sensors/sensor.ts";
import type { CachedProcess, CgroupTable, ProcessCache, ProcessReader } from "../state/mod.ts";
import type { Clock, Counters, LossLedger } from "../telemetry/mod.ts";
import type { HitTeller, NetworkTeller } from "./fact_teller.ts";
import type { MergeOptions } from "./merge_by_time.ts";
import type { PipelineOutlet } from "./outlet.ts";

/** What a pipeline is made of. */
export interface PipelineParts {
  readonly source: RecordSource;
  readonly decoders: readonly RecordDecoder[];
  readonly cache: ProcessCache;
  /** Missing: nothing is known of cgroups but what process records say. */
  readonly cgroups?: CgroupTable;
  readonly sinks: readonly PipelineOutlet[];
  readonly losses: LossLedger;
  readonly counters: Counters;
  readonly clock: Clock;
}

/** How it behaves. */
export interface PipelineOptions extends MergeOptions {
  /** Add ancestors beyond the parent to every event. Default false. */
  readonly ancestors?: boolean;
  /** Emit process_fork events. Default false. */
  readonly emitForks?: boolean;
  /** Emit events about cgroups. Default false. */
  readonly emitCgroups?: boolean;
  /** Reads which cgroups there are, before `scan`, under the same conditions. */
  readonly scanCgroups?: () => readonly CgroupFound[];
  /** Told of each task that was moved; of those in the window of the scan first, and then again. */
  readonly onAttached?: (fact: CgroupAttached) => void;
  /**
   * Reads what runs already; called once at the start of `run()`. Hooks must be attached and the
   * source running by then, so that nothing falls between.
   */
  readonly scan?: () => readonly ProcessFound[];
  /** Looks at /proc after losses and for processes nobody knows; without it neither is done. */
  readonly reader?: ProcessReader;
  /**
   * Called about once a second, before gaps are reported: the place to read the kernel's counters.
   */
  readonly onTick?: () => void;
  /** Told of each fact that has changed a process, of what it is now. */
  readonly onProcess?: (fact: ProcessFact, subject: CachedProcess) => void;
  /** Makes events of matches of policies; without it there are none. */
  readonly policies?: HitTeller;
  /** Makes events of what the network sensor tells; without it there are none. */
  readonly network?: NetworkTeller;
}
