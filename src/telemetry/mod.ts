/**
 * The agent about itself: counters, losses, clock, log, health.
 *
 * @module
 */
export * from "./clock.ts";
export * from "./counters.ts";
export * from "./last_run_file.ts";
export * from "./loss.ts";
export * from "./health.ts";
export * from "./log.ts";
export * from "./nearest_word.ts";
export * from "./quote.ts";
export * from "./system_clock.ts";
