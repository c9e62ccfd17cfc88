/**
 * The pool's end of one worker: orders, heartbeat, death.
 *
 * @module
 */
import {
  CONTROL_SIZE,
  ControlSlot,
  type FromCaptureWorker,
  type RingGrant,
  type ToCaptureWorker,
} from "./capture_messages.ts";
import type { CaptureSystem } from "./capture_system.ts";
import { type MessageEndpoint, TypedPort } from "./typed_port.ts";

/** The part of `Worker` that is used. */
export interface WorkerEndpoint extends MessageEndpoint {
  terminate(): void;
  onerror: ((event: ErrorEvent) => void) | null;
}

/**
 * Time for the answer to an order: it takes some ms, but on a starved machine (an emulator, a host
 * in swap) much longer, and a worker that is only slow must not be taken for dead. A stop does not
 * wait as long, because the thread is ended anyway.
 */
const ANSWER_TIMEOUTS_MS = { start: 30_000, assign: 10_000, stop: 2000 } as const;

/** Time for the thread of a terminated worker to end. */
const THREAD_END_TIMEOUT_MS = 10_000;
const THREAD_END_STEP_MS = 5;

/** Looks without a heartbeat until a worker counts as dead: 10 s at two looks a second. */
const SILENT_LOOKS_MAX = 20;

/** A worker ended, or does not answer. */
export class WorkerError extends Error {
  override readonly name = "WorkerError";
  readonly hint: string;

  constructor(cpus: readonly number[], found: string, hint: string | null = null) {
    super(`Cannot run the capture worker of CPUs "${cpus.join(",")}": ${found}`);
    this.hint = hint ?? "the agent restarts it; report this with the log when it happens again";
  }
}

/** What a handle stands on. */
export interface WorkerHandleOptions {
  readonly system: CaptureSystem;
  readonly endpoint: WorkerEndpoint;
  /** Called once when a worker dies outside of an order. */
  readonly onDeath: (handle: WorkerHandle, error: WorkerError) => void;
  /** For tests. */
  readonly answerTimeoutMs?: number;
}

interface Order {
  readonly answer: FromCaptureWorker["type"];
  resolve(message: FromCaptureWorker): void;
  reject(error: WorkerError): void;
}

/** One worker thread. Owns its eventfd, not the rings it works on. */
export class WorkerHandle {
  /** CPUs the worker was last given. */
  cpus: readonly number[] = [];
  readonly #options: WorkerHandleOptions;
  readonly #port: TypedPort<ToCaptureWorker, FromCaptureWorker>;
  readonly #control = new Int32Array(new SharedArrayBuffer(CONTROL_SIZE));
  readonly #eventFd: number;
  #order: Order | null = null;
  #threadId = 0;
  /** The thread did not end when it should; nobody waits for it a second time. */
  #stuck = false;
  #state: "new" | "running" | "ended" = "new";
  #lastBeat = 0;
  #silentLooks = 0;

  constructor(options: WorkerHandleOptions) {
    this.#options = options;
    this.#eventFd = options.system.openEventfd();
    this.#port = new TypedPort(options.endpoint, (message) => this.#receive(message));
    options.endpoint.onerror = (event) => {
      // Unhandled it would end the agent.
      event.preventDefault();
      this.#die(new WorkerError(this.cpus, `it ended by an error: ${event.message}`));
    };
  }

  /** Lets the worker open its libraries. @throws {WorkerError} */
  async start(libbpfPath: string, recordsMapFd: number, doorbell: SharedArrayBuffer) {
    const answer = await this.#obey({
      type: "start",
      libbpfPath,
      recordsMapFd,
      eventFd: this.#eventFd,
      control: this.#control.buffer,
      doorbell,
    }, "ready");
    if (answer.type === "ready") this.#threadId = answer.threadId;
  }

  /** Gives the worker these rings in place of those before. @throws {WorkerError} */
  async assign(rings: readonly RingGrant[]): Promise<void> {
    this.cpus = rings.map((ring) => ring.cpu);
    await this.#obey({ type: "assign", rings }, "assigned");
    this.#state = "running";
    this.#silentLooks = 0;
  }

  /** Lets the worker read what is there and end. @throws {WorkerError} */
  async stop(): Promise<void> {
    await this.#obey({ type: "stop" }, "stopped");
  }

  /**
   * Ends the thread in any case and waits for it.
   *
   * @returns whether it has ended, so that nobody but us touches the rings.
   */
  async end(): Promise<boolean> {
    if (this.#stuck) return false;
    const { system, endpoint } = this.#options;
    this.#state = "ended";
    this.#interrupt();
    endpoint.terminate();
    this.#port.close();
    const deadlineMs = system.nowMs() + THREAD_END_TIMEOUT_MS;
    while (this.#threadId !== 0 && system.threadExists(this.#threadId)) {
      if (system.nowMs() >= deadlineMs) {
        this.#stuck = true;
        return false;
      }
      await system.sleep(THREAD_END_STEP_MS);
    }
    if (this.#threadId >= 0) system.close(this.#eventFd);
    this.#threadId = -1;
    return true;
  }

  /** Looks for the heartbeat; to be called about twice a second. */
  look(): void {
    if (this.#state !== "running" || this.#order !== null) return;
    const beat = Atomics.load(this.#control, ControlSlot.HEARTBEAT);
    this.#silentLooks = beat === this.#lastBeat ? this.#silentLooks + 1 : 0;
    this.#lastBeat = beat;
    if (this.#silentLooks > SILENT_LOOKS_MAX) {
      this.#die(new WorkerError(this.cpus, "it gives no sign of life"));
    }
  }

  async #obey(message: ToCaptureWorker, answer: Order["answer"]): Promise<FromCaptureWorker> {
    if (this.#state === "ended") throw new WorkerError(this.cpus, "it has ended");
    const { promise, resolve, reject } = Promise.withResolvers<FromCaptureWorker>();
    this.#order = { answer, resolve, reject };
    const late = () => this.#die(new WorkerError(this.cpus, `no answer to "${message.type}"`));
    const timer = setTimeout(
      late,
      this.#options.answerTimeoutMs ?? ANSWER_TIMEOUTS_MS[message.type],
    );
    try {
      this.#port.send(message);
      if (this.#state === "running") this.#interrupt();
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#order = null;
    }
  }

  /** Makes the loop return, so that the message is delivered. */
  #interrupt(): void {
    Atomics.store(this.#control, ControlSlot.INTERRUPT, 1);
    if (this.#threadId >= 0) this.#options.system.signalEventfd(this.#eventFd);
  }

  #receive(message: FromCaptureWorker): void {
    if (message.type === "failed") {
      const { name, message: text, hint } = message.error;
      this.#die(new WorkerError(this.cpus, `${name}: ${text}`, hint));
    } else if (this.#order?.answer === message.type) {
      this.#order.resolve(message);
    } else {
      this.#die(new WorkerError(this.cpus, `unexpected message "${message.type}"`));
    }
  }

  #die(error: WorkerError): void {
    if (this.#state === "ended") return;
    this.#state = "ended";
    if (this.#order !== null) this.#order.reject(error);
    else this.#options.onDeath(this, error);
  }
}
