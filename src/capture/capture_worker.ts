/**
 * Entry of a capture worker's thread. Started by `capture_pool.ts` only.
 *
 * @module
 */
import { type Libc, openLibc, openMapElements } from "../../ffi/mod.ts";
import { CaptureLoop } from "./capture_loop.ts";
import { type FromCaptureWorker, reportError, type ToCaptureWorker } from "./capture_messages.ts";
import { Doorbell } from "./doorbell.ts";
import { type MessageEndpoint, TypedPort } from "./typed_port.ts";

/** What the library says of a worker's global; the "dom" types hide it. */
declare const self: MessageEndpoint & { close(): void };

let loop: CaptureLoop | null = null;
const port = new TypedPort<FromCaptureWorker, ToCaptureWorker>(self, receive);

function receive(message: ToCaptureWorker): void {
  try {
    obey(message);
  } catch (error) {
    port.send({ type: "failed", error: reportError(error) });
    self.close();
  }
}

function obey(message: ToCaptureWorker): void {
  switch (message.type) {
    case "start": {
      const libc = openLibc();
      runAhead(libc);
      loop = new CaptureLoop({
        libc,
        elements: openMapElements(message.libbpfPath),
        recordsMapFd: message.recordsMapFd,
        eventFd: message.eventFd,
        control: new Int32Array(message.control),
        doorbell: new Doorbell(message.doorbell),
      });
      port.send({ type: "ready", threadId: libc.threadId() });
      return;
    }
    case "assign":
      loop?.assign(message.rings);
      port.send({ type: "assigned", cpus: message.rings.map((ring) => ring.cpu) });
      loop?.run();
      return;
    case "stop":
      loop?.drain();
      loop?.assign([]);
      port.send({ type: "stopped" });
      self.close();
      return;
    default:
      throw new TypeError(`Cannot obey "${(message satisfies never as { type: string }).type}"`);
  }
}

/** As far ahead of the default as journald or a sound server goes. */
const WORKER_NICE = -10;

/**
 * A busy host must not keep a worker from its ring: then records are lost, and those of other CPUs
 * wait for order. Its turns are short, so nobody misses the time. Without CAP_SYS_NICE it goes on
 * as it is.
 */
function runAhead(libc: Libc): void {
  try {
    libc.setThreadNice(WORKER_NICE);
  } catch {
    // Only its place in the queue differs.
  }
}
