/**
 * Lines into a byte stream, without ever waiting for its reader.
 *
 * @module
 */
import type { AgentEvent } from "../events/mod.ts";
import type { Clock, Counter, Counters, LossLedger } from "../telemetry/mod.ts";
import type { EventFilter } from "./event_filter.ts";
import type { EventSink } from "./event_sink.ts";
import { HeldEvents } from "./held_events.ts";
import { LineBuffer } from "./line_buffer.ts";
import type { LineEncoder } from "./line_encoder.ts";
import type { OutputWriter } from "./output_writer.ts";

export interface StreamSinkOptions {
  /** Name in metrics and gap events, such as "stdout". */
  readonly name: string;
  readonly writer: OutputWriter;
  readonly encoder: LineEncoder;
  readonly filter?: EventFilter;
  readonly counters: Counters;
  readonly losses: LossLedger;
  readonly clock: Clock;
  /** Bytes that may wait for the reader; default 8 MiB. */
  readonly queueSizeMax?: number;
  /** Events that may wait for the reader; default 65,536. */
  readonly queueEventsMax?: number;
  /** How long `close()` waits for the reader; default 1000. */
  readonly closeTimeoutMs?: number;
  /**
   * Called with each write that failed (a full disk, an I/O error) but for readers that are gone:
   * whether to try again. Events wait meanwhile within the queue. Default: the sink ends.
   */
  readonly onWriteFailed?: (error: unknown) => boolean;
  /** Called when a write succeeds again. */
  readonly onWriteWorks?: () => void;
}

/** Why a sink takes no more events. */
export type SinkEnd =
  /** `close()` was called. */
  | { readonly reason: "closed" }
  /** Nobody reads any more, as in `shrike run | head`. */
  | { readonly reason: "reader_gone" }
  /** Such as a full disk. */
  | { readonly reason: "write_failed"; readonly error: unknown };

interface Drops {
  count: number;
  readonly firstNs: bigint;
  lastNs: bigint;
}

const QUEUE_SIZE_MAX = 8 * 1024 * 1024;
const QUEUE_EVENTS_MAX = 65_536;
const CLOSE_TIMEOUT_MS = 1000;
/** Waiting bytes at which a flush does not wait for the pipeline to have nothing else to do. */
const FLUSH_SIZE = 64 * 1024;
/** Bytes written on the main thread in one flush; the rest is for the thread pool. */
const SYNC_SIZE_MAX = 64 * 1024;
/** Bytes of one write on the thread pool: what is out is known in steps of this. */
const WRITE_SIZE_MAX = 256 * 1024;
/** Pause before the next try on a full descriptor that somebody made non-blocking. */
const RETRY_MS = 5;
/** Pause after a write that failed, doubled each time up to the longest. */
const FAILURE_PAUSE_MS = 100;
const FAILURE_PAUSE_MAX_MS = 5000;
/** Kept free for gap events, so that a full queue does not hide what it lost. */
const GAP_RESERVE_SIZE = 64 * 1024;

/**
 * Two buffers: lines collect in one while the other is being written, at most one write under way.
 * When both together are full, events are dropped, counted and entered as losses.
 */
export class StreamSink implements EventSink {
  readonly name: string;
  /** Resolves once, when the sink has ended for whatever reason. */
  readonly ended: Promise<SinkEnd>;
  readonly #options: StreamSinkOptions;
  readonly #queueSizeMax: number;
  readonly #queueEventsMax: number;
  readonly #resolveEnded: (end: SinkEnd) => void;
  readonly #events: Counter;
  readonly #bytes: Counter;
  readonly #dropped: Counter;
  readonly #filtered: Counter;
  readonly #failedWrites: Counter;
  readonly #drops = new Map<AgentEvent["type"], Drops>();
  /** What passes the filter, and when; without a filter there is none. */
  readonly #held: HeldEvents | undefined;
  #filling = new LineBuffer();
  #writing = new LineBuffer();
  /** The write under way and its follow-ups; undefined when nothing is. */
  #pump: Promise<void> | undefined;
  #isEnded = false;
  /** The last write failed and is tried again after `#pauseMs`. */
  #failure: { readonly error: unknown } | undefined;
  #pauseMs = FAILURE_PAUSE_MS;
  /** Ends a pause when the sink closes. */
  #wake: () => void = () => {};
  /** Lines in the queue that are no events. */
  #headerLines = 0;

  constructor(options: StreamSinkOptions) {
    this.#options = options;
    this.name = options.name;
    this.#queueSizeMax = options.queueSizeMax ?? QUEUE_SIZE_MAX;
    this.#queueEventsMax = options.queueEventsMax ?? QUEUE_EVENTS_MAX;
    const { promise, resolve } = Promise.withResolvers<SinkEnd>();
    this.ended = promise;
    this.#resolveEnded = resolve;
    const { counters } = options;
    const labels = { sink: options.name };
    this.#events = counters.counter("shrike_export_events_total", "Events written", labels);
    this.#bytes = counters.counter("shrike_export_bytes_total", "Bytes written", labels);
    this.#dropped = counters.counter(
      "shrike_export_dropped_total",
      "Events that were not written: the queue was full, or the sink had ended",
      labels,
    );
    this.#filtered = counters.counter(
      "shrike_export_filtered_total",
      "Events that a filter left out",
      labels,
    );
    this.#failedWrites = counters.counter(
      "shrike_export_failed_writes_total",
      "Writes that failed, such as on a full disk",
      labels,
    );
    counters.gauge(
      "shrike_export_queue_bytes",
      "Bytes that wait for the reader",
      labels,
      () => this.#waitingSize,
    );
    if (options.filter !== undefined) {
      this.#held = new HeldEvents({
        ...{ filter: options.filter, clock: options.clock, counters, labels },
        show: (event) => this.#write(event),
        hide: () => this.#filtered.value++,
      });
    }
    const { header } = options.encoder;
    if (header !== "" && this.#filling.add(header, this.#queueSizeMax)) this.#headerLines = 1;
  }

  push(event: AgentEvent): void {
    // The filter follows process trees, so it must see events also when they cannot be written.
    if (this.#held === undefined) this.#write(event);
    else this.#held.push(event);
  }

  flush(): void {
    this.#held?.expire();
    this.#enterLosses();
    this.#drain();
  }

  async close(): Promise<void> {
    this.#held?.giveUp();
    this.flush();
    this.#wake();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const timeout = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, this.#options.closeTimeoutMs ?? CLOSE_TIMEOUT_MS);
    });
    await Promise.race([this.#pump, timeout]);
    clearTimeout(timer);
    const failure = this.#failure;
    this.#end(
      failure === undefined
        ? { reason: "closed" }
        : { reason: "write_failed", error: failure.error },
    );
  }

  get #waitingSize(): number {
    return this.#filling.size + this.#writing.size;
  }

  #write(event: AgentEvent): void {
    if (this.#isEnded) {
      this.#dropped.value++;
      return;
    }
    const reserve = event.type === "gap" ? GAP_RESERVE_SIZE : 0;
    const room = this.#queueSizeMax + reserve - this.#writing.size;
    const isFull = reserve === 0 &&
      this.#filling.lines + this.#writing.lines >= this.#queueEventsMax;
    if (isFull || !this.#filling.add(this.#options.encoder.encode(event), room)) {
      this.#drop(event);
      return;
    }
    if (this.#filling.size >= FLUSH_SIZE) this.#drain();
  }

  /** Writes what cannot block at once and starts the pump for the rest. */
  #drain(): void {
    if (this.#isEnded || this.#pump !== undefined) return;
    try {
      this.#writeSync();
    } catch (error) {
      // Full after all, because somebody else writes there too: the pump waits for it, and as the
      // pump tries again after other failures, they are left to it.
      if (isReaderGone(error)) return this.#fail(error);
    }
    if (this.#filling.size > 0) this.#pump = this.#runPump();
  }

  #writeSync(): void {
    const { writer } = this.#options;
    const buffer = this.#filling;
    let budget = SYNC_SIZE_MAX;
    while (buffer.size > 0 && budget > 0) {
      const room = writer.roomNow();
      if (room <= 0) return;
      const size = writer.writeSync(buffer.peek(room));
      this.#written(buffer, size);
      budget -= size;
    }
  }

  /** Runs until nothing waits. Buffers swap, so new lines never touch bytes being written. */
  async #runPump(): Promise<void> {
    try {
      while (this.#filling.size > 0 && !this.#isEnded) {
        [this.#filling, this.#writing] = [this.#writing, this.#filling];
        const buffer = this.#writing;
        while (buffer.size > 0) {
          const size = await this.#writeSome(buffer.peek(WRITE_SIZE_MAX));
          if (this.#isEnded) return;
          this.#written(buffer, size);
        }
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#pump = undefined;
    }
  }

  /**
   * Waits a moment and returns 0 when the descriptor was made non-blocking and is full, or when the
   * write failed and is to be tried again.
   */
  async #writeSome(bytes: Uint8Array<ArrayBuffer>): Promise<number> {
    try {
      const size = await this.#options.writer.write(bytes);
      this.#works();
      return size;
    } catch (error) {
      if (isReaderGone(error)) throw error;
      if (error instanceof Deno.errors.WouldBlock) await this.#pause(RETRY_MS);
      else {
        this.#failedWrites.value++;
        if (this.#options.onWriteFailed?.(error) !== true) throw error;
        this.#failure = { error };
        await this.#pause(this.#pauseMs);
        this.#pauseMs = Math.min(2 * this.#pauseMs, FAILURE_PAUSE_MAX_MS);
      }
      return 0;
    }
  }

  #works(): void {
    if (this.#failure === undefined) return;
    this.#failure = undefined;
    this.#pauseMs = FAILURE_PAUSE_MS;
    this.#options.onWriteWorks?.();
  }

  #pause(timeMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #written(buffer: LineBuffer, size: number): void {
    this.#bytes.value += size;
    const lines = buffer.lines;
    buffer.take(size);
    // Lines are counted when the last byte of a batch is out: no need to look for newlines.
    if (buffer.size === 0) this.#countEvents(lines);
  }

  #countEvents(lines: number): void {
    this.#events.value += lines - this.#headerLines;
    this.#headerLines = 0;
  }

  #fail(error: unknown): void {
    this.#end(isReaderGone(error) ? { reason: "reader_gone" } : { reason: "write_failed", error });
  }

  #end(end: SinkEnd): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    const lines = this.#writing.lines + this.#filling.lines;
    const lost = this.#writing.countWaiting() + this.#filling.countWaiting();
    this.#writing.clear();
    this.#filling.clear();
    const lostHeaders = lines === lost ? this.#headerLines : 0;
    this.#dropped.value += lost - lostHeaders;
    if (lines > lost) this.#countEvents(lines - lost);
    this.#enterLosses();
    this.#resolveEnded(end);
  }

  #drop(event: AgentEvent): void {
    this.#dropped.value++;
    const nowNs = this.#options.clock.monotonicNs();
    const drops = this.#drops.get(event.type);
    if (drops === undefined) {
      this.#drops.set(event.type, { count: 1, firstNs: nowNs, lastNs: nowNs });
    } else {
      drops.count++;
      drops.lastNs = nowNs;
    }
  }

  #enterLosses(): void {
    if (this.#drops.size === 0) return;
    for (const [kind, drops] of this.#drops) {
      this.#options.losses.add({ cause: "sink_queue_full", kind, sink: this.name, ...drops });
    }
    this.#drops.clear();
  }
}

function isReaderGone(error: unknown): boolean {
  return error instanceof Deno.errors.BrokenPipe || error instanceof Deno.errors.ConnectionReset;
}
