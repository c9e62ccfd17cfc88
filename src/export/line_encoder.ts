/**
 * What a sink needs from an export form that is made of lines.
 *
 * @module
 */
import type { AgentEvent } from "../events/mod.ts";

/** Turns events into lines of text. */
export interface LineEncoder {
  /** Line before the first event, with its newline; "" when the form has none. */
  readonly header: string;
  /** One line with its newline and no other newline in it. Never throws. */
  encode(event: AgentEvent): string;
}
