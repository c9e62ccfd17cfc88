/**
 * Record to fact: finds the sensor's decoder by kind. What cannot be read is counted and entered as
 * a loss, never thrown.
 *
 * @module
 */
import type { KernelFact } from "../events/mod.ts";
import type { RecordDecoder } from "../sensors/sensor.ts";
import type { Counter, Counters, LossLedger } from "../telemetry/mod.ts";
import type { RecordView } from "../wire/mod.ts";

/** Kinds are sensor block << 8 | number, both below 8. */
const KINDS = 8 << 8;

/** A decoder with the count of its records that could not be read. */
interface Entry {
  readonly decoder: RecordDecoder;
  readonly malformed: Counter;
}

/** All decoders of the enabled sensors. */
export class DecoderTable {
  readonly #entries: (Entry | undefined)[] = new Array(KINDS).fill(undefined);
  readonly #unknown: Counter;
  readonly #losses: LossLedger;

  /** @throws {Error} two decoders for one kind, or a kind out of range: a bug in a sensor. */
  constructor(decoders: readonly RecordDecoder[], counters: Counters, losses: LossLedger) {
    this.#losses = losses;
    this.#unknown = malformedCounter(counters, "unknown");
    for (const decoder of decoders) {
      if (!(decoder.kind in this.#entries) || this.#entries[decoder.kind] !== undefined) {
        throw new Error(`Cannot add decoder "${decoder.name}": kind ${decoder.kind} is taken`);
      }
      this.#entries[decoder.kind] = {
        decoder,
        malformed: malformedCounter(counters, decoder.name),
      };
    }
  }

  /**
   * Reads the record; undefined when it is of no known kind or its sizes do not fit.
   *
   * @param cpu of the ring it came from: the record itself is not trusted here.
   */
  decode(record: RecordView, cpu: number): KernelFact | undefined {
    const entry = this.#entries[record.kind];
    if (entry === undefined) return this.#refuse(undefined, cpu, record.timeNs);
    try {
      return entry.decoder.decode(record);
    } catch (error) {
      // Only this error means bad bytes; another is a bug and must not pass as one.
      if (!(error instanceof RangeError)) throw error;
      return this.#refuse(entry, cpu, record.timeNs);
    }
  }

  /** Counts a record that has not even a header that can be. */
  refuse(cpu: number, nowNs: number): undefined {
    return this.#refuse(undefined, cpu, BigInt(nowNs));
  }

  #refuse(entry: Entry | undefined, cpu: number, timeNs: bigint): undefined {
    (entry?.malformed ?? this.#unknown).value += 1;
    this.#losses.add({
      cause: "malformed_record",
      cpu,
      ...(entry !== undefined && { kind: entry.decoder.name }),
      count: 1,
      firstNs: timeNs,
      lastNs: timeNs,
    });
  }
}

function malformedCounter(counters: Counters, kind: string): Counter {
  return counters.counter(
    "shrike_pipeline_malformed_total",
    "Records that could not be decoded",
    { kind },
  );
}
