/**
 * A terminal that one page fills, in place of what was on it, until it is given back.
 *
 * @module
 */
import type { Terminal } from "./terminal.ts";

/** Of the window, in characters. */
export interface ScreenSize {
  readonly columns: number;
  readonly rows: number;
}

/** Lines that fit a window; those beyond its height are left out. */
export type Page = (size: ScreenSize) => readonly string[];

/** What a command needs of it; tests have fakes. */
export interface PageScreen extends Disposable {
  /** Resolves when q or Ctrl-C was typed. */
  readonly quit: Promise<void>;
  /** Shows the page, and again whenever the window changes. */
  show(page: Page): void;
}

/** The other page of the terminal, so that what was there comes back; no cursor. */
const ENTER = "\x1b[?1049h\x1b[?25l\x1b[H\x1b[2J";
const LEAVE = "\x1b[?25h\x1b[?1049l";
const HOME = "\x1b[H";
const ERASE_LINE = "\x1b[K";
const ERASE_BELOW = "\r\n\x1b[J";
const RESET = "\x1b[0m";

const QUIT_KEYS: readonly number[] = [..."qQ\x03\x04"].map((key) => key.charCodeAt(0));
const KEYS_SIZE = 64;
/** A terminal that does not say its size (a serial line). */
const DEFAULT_SIZE: ScreenSize = { columns: 80, rows: 24 };

/** The real one, on stdout and, for keys, on stdin when that is a terminal. */
export class Screen implements PageScreen {
  readonly quit: Promise<void>;
  readonly #terminal: Terminal;
  readonly #hasKeys = Deno.stdin.isTerminal();
  readonly #resolveQuit: () => void;
  readonly #redraw = () => this.#draw();
  readonly #suspend = () => this.#stopUntilContinued();
  readonly #resume = () => this.#enter();
  readonly #leave = () => this.#restore();
  #page: Page = () => [];
  #isOpen = false;
  #isDisposed = false;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.quit = promise;
    this.#resolveQuit = resolve;
    // However the program ends, but for SIGKILL: Deno.exit() tells of it too.
    globalThis.addEventListener("unload", this.#leave);
    Deno.addSignalListener("SIGWINCH", this.#redraw);
    Deno.addSignalListener("SIGTSTP", this.#suspend);
    Deno.addSignalListener("SIGCONT", this.#resume);
    this.#enter();
    if (this.#hasKeys) this.#readKeys();
  }

  show(page: Page): void {
    this.#page = page;
    this.#draw();
  }

  [Symbol.dispose](): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    globalThis.removeEventListener("unload", this.#leave);
    Deno.removeSignalListener("SIGWINCH", this.#redraw);
    Deno.removeSignalListener("SIGTSTP", this.#suspend);
    Deno.removeSignalListener("SIGCONT", this.#resume);
    this.#restore();
  }

  #enter(): void {
    if (this.#isOpen) return;
    this.#isOpen = true;
    // Ctrl-C and Ctrl-Z stay signals; keys come one by one and are not shown.
    if (this.#hasKeys) Deno.stdin.setRaw(true, { cbreak: true });
    this.#terminal.writeOut(ENTER);
    this.#draw();
  }

  #restore(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    try {
      if (this.#hasKeys) Deno.stdin.setRaw(false);
      this.#terminal.writeOut(LEAVE);
    } catch {
      // The terminal has gone, so there is nothing to give back.
    }
  }

  /** Ctrl-Z: the shell gets its terminal as it was. */
  #stopUntilContinued(): void {
    this.#restore();
    Deno.kill(Deno.pid, "SIGSTOP");
  }

  #draw(): void {
    if (!this.#isOpen) return;
    const size = screenSize();
    this.#terminal.writeOut(pageText(this.#page(size), size));
  }

  async #readKeys(): Promise<void> {
    const keys = new Uint8Array(KEYS_SIZE);
    try {
      for (let size = await Deno.stdin.read(keys); size !== null;) {
        if (keys.subarray(0, size).some((key) => QUIT_KEYS.includes(key))) this.#resolveQuit();
        size = await Deno.stdin.read(keys);
      }
    } catch {
      // The terminal has gone; SIGHUP says so too.
      this.#resolveQuit();
    }
  }
}

/** What draws the lines over what was drawn before. */
export function pageText(lines: readonly string[], { rows }: ScreenSize): string {
  const shown = lines.slice(0, rows);
  // Erased first: behind a line as wide as the window the cursor still stands on its last column.
  const text = HOME + shown.map((line) => `${ERASE_LINE}${line}${RESET}`).join("\r\n");
  return shown.length < rows ? text + ERASE_BELOW : text;
}

function screenSize(): ScreenSize {
  try {
    const { columns, rows } = Deno.consoleSize();
    return columns > 0 && rows > 0 ? { columns, rows } : DEFAULT_SIZE;
  } catch {
    return DEFAULT_SIZE;
  }
}
