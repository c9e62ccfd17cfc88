/**
 * A log that keeps what is said.
 *
 * @module
 */
import type { Log } from "../../src/telemetry/mod.ts";

/** Lines such as `warn text with values; hint`. */
export class LoggedLines implements Log {
  readonly lines: string[] = [];

  readonly error = (message: string, properties?: Record<string, unknown>) =>
    this.#add("error", message, properties);
  readonly warn = (message: string, properties?: Record<string, unknown>) =>
    this.#add("warn", message, properties);
  readonly info = (message: string, properties?: Record<string, unknown>) =>
    this.#add("info", message, properties);
  readonly debug = (message: string, properties?: Record<string, unknown>) =>
    this.#add("debug", message, properties);

  /** Lines of one level. */
  of(level: string): string[] {
    return this.lines.filter((line) => line.startsWith(`${level} `));
  }

  #add(level: string, message: string, properties: Record<string, unknown> = {}): void {
    const text = message.replace(/\{(\w+)\}/g, (_, name: string) => {
      const value = properties[name];
      return value instanceof Error ? value.message : String(value);
    });
    const { hint } = properties;
    this.lines.push(`${level} ${text}${hint === undefined ? "" : `; ${hint}`}`);
  }
}
