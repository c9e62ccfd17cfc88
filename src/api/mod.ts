/**
 * The control socket: what may be asked of a running agent, over HTTP with JSON, by root on this
 * host. Both ends.
 *
 * @module
 */
export { type AgentStatus, ControlClient, RefusedError } from "./control_client.ts";
export { ControlError, SocketTakenError } from "./control_error.ts";
export { type ControlLimits, ControlServer, type ControlServerParts } from "./control_server.ts";
export { ControlSocket, DEFAULT_CONTROL_SOCKET, type SocketPurpose } from "./control_socket.ts";
export { complaintJson, planJson, policyJson } from "./policy_json.ts";
export type { TrafficAnswer } from "./read_traffic_json.ts";
export type { AgentDescription } from "./routes.ts";
