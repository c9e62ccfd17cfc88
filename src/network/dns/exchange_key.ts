/**
 * What makes two DNS messages belong together.
 *
 * @module
 */
import type { DnsSeen, SocketTuple } from "../../events/mod.ts";
import type { DnsMessage } from "./dns_message.ts";

/** Which end a socket is. */
export type DnsRole = "client" | "server";

/**
 * The end with a port of name servers is the server. Where both have one (mDNS, or servers among
 * themselves), or none, whoever sends a query is the client.
 */
export function dnsRole(
  { local, remote }: SocketTuple,
  ports: ReadonlySet<number>,
  { isOutgoing, isResponse }: { readonly isOutgoing: boolean; readonly isResponse: boolean },
): DnsRole {
  const isServer = ports.has(local.port);
  const isClient = ports.has(remote.port);
  if (isServer !== isClient) return isClient ? "client" : "server";
  return isOutgoing === isResponse ? "server" : "client";
}

/**
 * The same for a query and its response at one socket. A server's socket has many peers. A client's
 * has one server, which the packets may call by several addresses (NAT), so its address is left
 * out: who guesses the number and the port can forge the address as well.
 */
export function exchangeKey({ cookie, tuple }: DnsSeen, role: DnsRole, id: number): string {
  const { local, remote, protocol, netNs } = tuple;
  const socket = cookie === 0n ? `${netNs} ${local.address} ${local.port} ${protocol}` : cookie;
  return role === "client" ? `${socket} ${id}` : `${socket} ${id} ${remote.address} ${remote.port}`;
}

/** The same at both ends of a datagram or connection. */
export function clientKey({ tuple }: DnsSeen, role: DnsRole, id: number): string {
  const { address, port } = role === "client" ? tuple.local : tuple.remote;
  return `${address} ${port} ${tuple.protocol} ${id}`;
}

/** Names and types. Servers give case back as it was sent, and need not. */
export function questionsKey({ questions }: DnsMessage): string {
  const [first] = questions;
  if (first === undefined) return "";
  if (questions.length === 1) return `${first.type} ${first.name.toLowerCase()}`;
  return questions.map(({ type, name }) => `${type} ${name.toLowerCase()}`).join("\n");
}

/** FNV-1a: the same message has the same. */
export function payloadHash(payload: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < payload.length; i++) hash = Math.imul(hash ^ payload[i]!, 0x0100_0193);
  return hash >>> 0;
}
