/**
 * The running agent that commands ask.
 *
 * @module
 */
import { ControlClient, DEFAULT_CONTROL_SOCKET } from "../api/mod.ts";
import { type Config, OFF } from "../config/mod.ts";
import { UsageError } from "./error_report.ts";

/** @throws {UsageError} the settings say that it has no socket */
export function agentClient(
  { controlSocket = DEFAULT_CONTROL_SOCKET }: Pick<Config, "controlSocket">,
): ControlClient {
  if (controlSocket === OFF) {
    throw new UsageError(
      "Cannot ask the agent: its control socket is off",
      "name the agent's socket with --control-socket",
    );
  }
  return new ControlClient(controlSocket);
}
