/**
 * What is wrong with a configuration, and where.
 *
 * @module
 */

/** One mistake. */
export interface Problem {
  /** Where it stands: `file:line:column`, an environment variable or a flag. */
  readonly place: string;
  /** State found. */
  readonly reason: string;
  readonly hint: string;
}

/** The configuration cannot be used; all mistakes that were found, at least one. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    super(problems.map(problemText).join("\n"));
    this.problems = problems;
  }
}

/** The line for people, without the hint. */
export function problemText({ place, reason }: Problem): string {
  return `Cannot use "${place}": ${reason}`;
}
