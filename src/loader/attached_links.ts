/**
 * What is attached, and whether it still is: root can detach a link of a cgroup that is not its own
 * (`bpftool link detach`), or put another program into it. The links of tracepoints and functions
 * have no such call.
 *
 * @module
 */
import { type BpfLink, LibbpfError } from "../../ffi/mod.ts";

/** How a hook was lost. */
export type HookLoss = "hook_detached" | "hook_replaced";

/** A hook that somebody else has taken. */
export interface LostHook {
  readonly program: string;
  readonly cause: HookLoss;
  /** Whether it runs again. */
  readonly isAttached: boolean;
  /** Why it does not. */
  readonly reason?: string;
}

interface Attached {
  readonly program: string;
  link: Pick<BpfLink, "state" | typeof Symbol.dispose>;
  programId: number;
  readonly attach: () => Attached["link"];
}

/** Links by program, each with how it was made. */
export class AttachedLinks {
  #links: Attached[] = [];

  /** @throws whatever `attach` throws. */
  add(program: string, attach: Attached["attach"]): void {
    const link = attach();
    this.#links.push({ program, link, attach, programId: programOf(link) });
  }

  has(program: string): boolean {
    return this.#links.some((attached) => attached.program === program);
  }

  /** Takes over what another has. */
  take(other: AttachedLinks): void {
    this.#links.push(...other.#links);
    other.#links = [];
  }

  /**
   * Hooks that were lost since the last call. A system call for each link. What is not attached
   * again is told once, and is not attached from then on.
   */
  check(reattach: boolean): LostHook[] {
    const lost: LostHook[] = [];
    for (const attached of [...this.#links]) {
      const cause = lossOf(attached);
      if (cause !== undefined) lost.push(this.#handle(attached, cause, reattach));
    }
    return lost;
  }

  detach(): void {
    for (const { link } of this.#links) link[Symbol.dispose]();
    this.#links = [];
  }

  #handle(attached: Attached, cause: HookLoss, reattach: boolean): LostHook {
    const { program } = attached;
    attached.link[Symbol.dispose]();
    let reason = "it is not to be attached again";
    try {
      if (reattach) {
        attached.link = attached.attach();
        attached.programId = programOf(attached.link);
        return { program, cause, isAttached: true };
      }
    } catch (error) {
      reason = error instanceof Error ? error.message : String(error);
    }
    this.#links = this.#links.filter((other) => other !== attached);
    return { program, cause, isAttached: false, reason };
  }
}

/** 0: the kernel does not tell (before 5.8). */
function programOf(link: Attached["link"]): number {
  try {
    return link.state().programId;
  } catch (error) {
    if (!(error instanceof LibbpfError)) throw error;
    return 0;
  }
}

function lossOf({ link, programId }: Attached): HookLoss | undefined {
  if (programId === 0) return undefined;
  try {
    const state = link.state();
    if (state.isDetached) return "hook_detached";
    return state.programId === programId ? undefined : "hook_replaced";
  } catch (error) {
    if (!(error instanceof LibbpfError)) throw error;
    return undefined;
  }
}
