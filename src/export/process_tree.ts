/**
 * Who descends from a pid, followed through the events themselves.
 *
 * @module
 */
import type { Process, ProcessEvent } from "../events/mod.ts";
import type { Counter } from "../telemetry/mod.ts";
import { isNetworkEvent, isPolicyEvent, isSignalEvent } from "./event_kind.ts";

/** Living members. Beyond it new ones are shown, but their children are not followed. */
const MEMBERS_MAX = 65_536;
/** Images that ended, by exit or by the next exec: children made before may only exec later. */
const ENDED_MAX = 16_384;

/**
 * The root pids and all their descendants, also after their parents ended. What is told of a member
 * that has ended, such as the close of its connections, belongs to the tree too: its image is kept,
 * longest the one that was told of last. Complete when it is
 * shown every fork; without forks, a child that execs only after its parent and ENDED_MAX more
 * images ended is missed.
 */
export class ProcessTree {
  readonly #roots: Set<number>;
  readonly #overflow: Counter;
  /** tgid to the exec_id of its image. */
  readonly #members = new Map<number, string>();
  readonly #images = new Set<string>();
  /** Those that nothing was told of for longest first. */
  readonly #endedImages = new Set<string>();

  /** `overflow` counts members that could not be followed. */
  constructor(roots: Iterable<number>, overflow: Counter) {
    this.#roots = new Set(roots);
    this.#overflow = overflow;
  }

  /** Living members that are followed. */
  get size(): number {
    return this.#members.size;
  }

  /** Whether a process is a root or a member, living or ended. */
  contains({ tgid, execId }: Process): boolean {
    if (this.#touchEnded(execId)) return true;
    return this.#roots.has(tgid) || this.#members.has(tgid);
  }

  /** Takes note of the event, once, and says whether its process belongs to the tree. */
  observe(event: ProcessEvent): boolean {
    const { tgid, execId } = event.subject.process;
    // It makes no image and ends none, and may come after the exit.
    if (isPolicyEvent(event) || isNetworkEvent(event) || isSignalEvent(event)) {
      return this.#touchEnded(execId) || this.#belongs(event);
    }
    const belongs = this.#belongs(event);
    if (event.type === "process_exit") {
      this.#endImage(tgid);
      // Also when the image was never followed: its children may still come.
      if (belongs) this.#rememberEnded(execId);
      // The pid may come back as somebody else.
      this.#roots.delete(tgid);
    } else if (belongs) {
      this.#follow(tgid, execId);
    } else {
      this.#endImage(tgid);
    }
    return belongs;
  }

  #belongs(event: ProcessEvent): boolean {
    const { tgid, parentExecId } = event.subject.process;
    if (this.#roots.has(tgid)) return true;
    // A fork is a new process: what was known of its pid is about one whose exit was lost.
    if (event.type !== "process_fork" && this.#members.has(tgid)) return true;
    if (this.#isMember(parentExecId)) return true;
    if (event.parent !== undefined && this.#roots.has(event.parent.process.tgid)) return true;
    return event.ancestors?.some(({ process }) =>
      this.#roots.has(process.tgid) || this.#isMember(process.execId)
    ) ?? false;
  }

  #isMember(execId: string): boolean {
    return this.#images.has(execId) || this.#endedImages.has(execId);
  }

  /** Whether an image has ended as a member; then it is kept longest of all. */
  #touchEnded(execId: string): boolean {
    if (!this.#endedImages.delete(execId)) return false;
    this.#endedImages.add(execId);
    return true;
  }

  #follow(tgid: number, execId: string): void {
    if (this.#members.get(tgid) === execId) return;
    this.#endImage(tgid);
    if (this.#members.size >= MEMBERS_MAX) {
      this.#overflow.value++;
      return;
    }
    this.#members.set(tgid, execId);
    this.#images.add(execId);
  }

  #endImage(tgid: number): void {
    const execId = this.#members.get(tgid);
    if (execId === undefined) return;
    this.#members.delete(tgid);
    this.#images.delete(execId);
    this.#rememberEnded(execId);
  }

  #rememberEnded(execId: string): void {
    if (this.#endedImages.has(execId)) return;
    if (this.#endedImages.size >= ENDED_MAX) {
      const oldest = this.#endedImages.values().next();
      if (!oldest.done) this.#endedImages.delete(oldest.value);
    }
    this.#endedImages.add(execId);
  }
}
