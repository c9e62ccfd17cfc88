/**
 * The members of events about the network. Sockets have Tetragon's names, as in the arguments of
 * policies: `saddr` and `sport` are this end, `daddr` and `dport` the peer, whoever began. The rest
 * is ours.
 *
 * @module
 */
import type {
  DnsAnswer,
  DnsEvent,
  NetworkProcessEvent,
  SocketCounts,
  SocketEvent,
  TaggedEndpoint,
  TaggedTuple,
} from "../events/mod.ts";
import { jsonString, jsonStrings } from "./json_text.ts";

/** Members of the body behind `process` and `parent`, each with its comma before it. */
export function networkMembers(event: NetworkProcessEvent): string {
  return event.type === "process_dns" ? dnsMembers(event) : socketMembers(event);
}

/** A socket with what is known of its ends. */
export function socketJson(
  { family, protocol, local, remote, netNs, translated }: TaggedTuple,
  { cookie = 0n, state = "" }: { readonly cookie?: bigint; readonly state?: string } = {},
): string {
  let json = `{"family":"${family === 4 ? "AF_INET" : "AF_INET6"}"`;
  if (protocol !== "") json += `,"protocol":${protocolJson(protocol)}`;
  if (local.address !== "") json += `,"saddr":${jsonString(local.address)}`;
  if (remote.address !== "") json += `,"daddr":${jsonString(remote.address)}`;
  if (local.port !== 0) json += `,"sport":${local.port}`;
  if (remote.port !== 0) json += `,"dport":${remote.port}`;
  if (cookie !== 0n) json += `,"cookie":"${cookie}"`;
  if (state !== "") json += `,"state":${jsonString(`TCP_${state}`)}`;
  if (netNs !== 0) json += `,"net_ns":${netNs}`;
  if (local.address !== "") json += `,"saddr_class":"${local.addressClass}"`;
  if (remote.address !== "") json += `,"daddr_class":"${remote.addressClass}"`;
  json += namesMember(remote);
  if (translated !== undefined) json += `,"translated":${endpointJson(translated)}`;
  return json + "}";
}

/** What was carried; all four are there also when they are 0. */
export function trafficJson(counts: SocketCounts): string {
  const { bytesSent, bytesReceived, packetsSent, packetsReceived, retransmits } = counts;
  const json = `{"bytes_sent":"${bytesSent}","bytes_received":"${bytesReceived}"` +
    `,"packets_sent":"${packetsSent}","packets_received":"${packetsReceived}"`;
  return retransmits === 0 ? json + "}" : `${json},"retransmits":${retransmits}}`;
}

function socketMembers(event: SocketEvent): string {
  const { cookie, socket, state, isFailed, error, durationNs, counts } = event;
  let members = `,"socket":${socketJson(socket, { cookie, state: state ?? "" })}`;
  if (isFailed) members += ',"failed":true';
  if (error !== undefined && error !== "") members += `,"error":${jsonString(error)}`;
  if (durationNs !== undefined) members += `,"duration_ns":"${durationNs}"`;
  if (counts !== undefined) members += `,"traffic":${trafficJson(counts)}`;
  return members;
}

function dnsMembers(event: DnsEvent): string {
  const { id, role, isResponse, responseCode, isTruncated, questions, answers } = event;
  let dns = `{"id":${id},"role":"${role}"`;
  if (isResponse) dns += ',"response":true';
  if (responseCode !== "") dns += `,"rcode":${jsonString(responseCode)}`;
  if (isTruncated) dns += ',"truncated":true';
  if (questions.length > 0) dns += `,"questions":[${questions.map(questionJson).join(",")}]`;
  if (answers.length > 0) dns += `,"answers":[${answers.map(answerJson).join(",")}]`;
  if (event.durationNs !== undefined) dns += `,"duration_ns":"${event.durationNs}"`;
  if (event.repeats !== 0) dns += `,"repeats":${event.repeats}`;
  return `,"dns":${dns}},"socket":${socketJson(event.socket)}`;
}

/** The root is called ".", so a name is never empty. */
function questionJson({ name, type }: { readonly name: string; readonly type: string }): string {
  return `{"name":${jsonString(name)},"type":${jsonString(type)}}`;
}

function answerJson({ name, type, ttl, data }: DnsAnswer): string {
  const json = `{"name":${jsonString(name)},"type":${jsonString(type)},"ttl":${ttl}`;
  return data === "" ? json + "}" : `${json},"data":${jsonString(data)}}`;
}

function endpointJson(end: TaggedEndpoint): string {
  const { address, port, addressClass } = end;
  let json = `{"addr":${jsonString(address)}`;
  if (port !== 0) json += `,"port":${port}`;
  return `${json},"class":"${addressClass}"${namesMember(end)}}`;
}

function namesMember({ names }: TaggedEndpoint): string {
  return names === undefined || names.length === 0 ? "" : `,"names":${jsonStrings(names)}`;
}

/** A protocol without a name is its number. */
function protocolJson(protocol: string): string {
  const isNumber = /^\d+$/.test(protocol);
  return jsonString(isNumber ? protocol : `IPPROTO_${protocol.toUpperCase()}`);
}
