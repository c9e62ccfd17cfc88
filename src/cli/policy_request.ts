/**
 * What the subcommands of `shrike policy` are asked.
 *
 * @module
 */

/** What `shrike policy check` is asked. */
export interface PolicyCheckRequest {
  /** Files, folders, and "-" for stdin. */
  readonly paths: readonly string[];
  readonly format: PolicyCheckFormat;
}

/** How it answers. */
export type PolicyCheckFormat = "text" | "json";

/** A change of a policy that is there. */
export type PolicyChange =
  | { readonly kind: "delete" | "enable" | "disable"; readonly name: string }
  | { readonly kind: "set-mode"; readonly name: string; readonly mode: PolicySwitch };

/** Modes a policy can be switched to. */
export type PolicySwitch = "enforce" | "monitor";
