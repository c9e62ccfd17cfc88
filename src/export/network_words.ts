/**
 * Events about the network in words for people.
 *
 * @module
 */
import type {
  DnsEvent,
  Endpoint,
  FlowEvent,
  NetworkProcessEvent,
  SocketCounts,
  SocketEvent,
  TaggedEndpoint,
  TaggedTuple,
} from "../events/mod.ts";
import { amountText } from "./amount_text.ts";
import { terminalString } from "./terminal_text.ts";
import { formatSpan } from "./timestamp.ts";

/** Questions and answers of one message that are shown; a message may have hundreds. */
const RECORDS_MAX = 4;

/** What happened, without the process. */
export function networkWords(event: NetworkProcessEvent): string {
  switch (event.type) {
    case "process_connect":
      return connectWords(event);
    case "process_accept":
      return `${ends(event.socket, "<-")} ${protocolWord(event.socket)}`;
    case "process_listen":
      return `on ${endWords(event.socket.local)} ${protocolWord(event.socket)}`;
    case "process_close":
      return closeWords(event);
    case "process_dns":
      return dnsWords(event);
  }
}

/** `-> 192.0.2.1:443 (example.org) tcp sent 1.2 KiB received 34.5 KiB within 15.0 s`. */
export function flowWords(event: FlowEvent): string {
  const { socket, isOther, isOutgoing, counts, intervalNs, connections } = event;
  const where = isOther || socket === undefined
    ? "all other peers"
    : `${flowEnds(socket, isOutgoing)} ${protocolWord(socket)}`;
  const folded = connections > 1 ? `, ${connections.toLocaleString("en-US")} connections` : "";
  return `${where} ${trafficWords(counts)} within ${formatSpan(intervalNs)}${folded}`;
}

/** Whether it says that something came to nothing. */
export function isNetworkFailure(event: NetworkProcessEvent): boolean {
  if (event.type === "process_dns") {
    return event.isResponse && event.responseCode !== "NOERROR";
  }
  return event.isFailed;
}

function connectWords({ socket, isFailed, error, durationNs }: SocketEvent): string {
  const start = `-> ${peerWords(socket)} ${protocolWord(socket)}`;
  const after = durationNs === undefined ? "" : ` after ${formatSpan(durationNs)}`;
  return isFailed ? `${start} FAILED ${terminalString(error || "?")}${after}` : start + after;
}

function closeWords({ socket, counts, durationNs, error }: SocketEvent): string {
  const hasPeer = hasRemote(socket);
  const where = hasPeer ? ends(socket, "<>") : `on ${endWords(socket.local)}`;
  let words = `${where} ${protocolWord(socket)}`;
  // A socket that listened has carried nothing itself, one that sent to many has.
  const hasTraffic = counts !== undefined && counts.packetsSent + counts.packetsReceived > 0n;
  if (hasTraffic || (counts !== undefined && hasPeer)) words += ` ${trafficWords(counts)}`;
  if (durationNs !== undefined) words += ` after ${formatSpan(durationNs)}`;
  return error ? `${words} ${terminalString(error)}` : words;
}

/** `? A example.org @10.0.0.2` and `A example.org = 192.0.2.1 @10.0.0.2 after 1.2 ms`. */
function dnsWords(event: DnsEvent): string {
  const { isResponse, questions, answers, responseCode, durationNs, repeats, role } = event;
  const asked = few(questions.map(({ name, type }) => `${type} ${name}`)) || "nothing";
  let words = isResponse ? asked : `? ${asked}`;
  if (isResponse) {
    const said = few(answers.map(({ type, data }) => data || type)) || "no records";
    words += responseCode === "NOERROR" ? ` = ${said}` : ` ${terminalString(responseCode)}`;
    if (event.isTruncated) words += " cut";
  }
  words += ` ${role === "client" ? "@" : "for "}${endWords(event.socket.remote)}`;
  if (durationNs !== undefined) words += ` after ${formatSpan(durationNs)}`;
  return repeats === 0 ? words : `${words} (${repeats.toLocaleString("en-US")} more times)`;
}

function few(words: readonly string[]): string {
  const shown = words.slice(0, RECORDS_MAX).map(terminalString).join(", ");
  const rest = words.length - RECORDS_MAX;
  return rest > 0 ? `${shown} and ${rest} more` : shown;
}

/** The side that asked for the connection comes first when it is known. */
function flowEnds(socket: TaggedTuple, isOutgoing: boolean | undefined): string {
  if (isOutgoing === undefined) return ends(socket, "<>");
  return isOutgoing ? `-> ${peerWords(socket)}` : ends(socket, "<-");
}

function ends(socket: TaggedTuple, arrow: string): string {
  return `${endWords(socket.local)} ${arrow} ${peerWords(socket)}`;
}

/** `10.96.0.1:443 (api.example) at 10.244.1.7:8443`. */
function peerWords({ remote, translated }: TaggedTuple): string {
  const at = translated === undefined ? "" : ` at ${endWords(translated)}`;
  return `${endWords(remote)}${nameWords(remote)}${at}`;
}

/** A socket of UDP that sends to whom it likes has the peer 0.0.0.0. */
function hasRemote({ remote }: TaggedTuple): boolean {
  return remote.address !== "" && remote.addressClass !== "unspecified";
}

function nameWords({ names }: TaggedEndpoint): string {
  const [name] = names ?? [];
  return name === undefined ? "" : ` (${terminalString(name)})`;
}

/** `10.0.0.1:80`, `[::1]:80`; `:80` without address, `*` when nothing is known. */
function endWords({ address, port }: Endpoint): string {
  const shown = address.includes(":") ? `[${address}]` : address;
  return terminalString(port === 0 ? shown || "*" : `${shown}:${port}`);
}

function protocolWord({ protocol }: TaggedTuple): string {
  return terminalString(/^\d/.test(protocol) ? `protocol ${protocol}` : protocol);
}

function trafficWords({ bytesSent, bytesReceived, retransmits }: SocketCounts): string {
  const words = `sent ${amountText(bytesSent)} received ${amountText(bytesReceived)}`;
  return retransmits === 0 ? words : `${words} (${retransmits.toLocaleString("en-US")} sent again)`;
}
