/**
 * What a policy saw and did, in words for people.
 *
 * @module
 */
import type { PolicyArgument, PolicyEvent, PolicySocket, PolicyValue } from "../events/mod.ts";
import { capabilityName, capabilityNames } from "./kernel_names.ts";
import { familyName } from "./network_names.ts";
import { argumentNumber } from "./policy_arguments.ts";
import { terminalString, terminalText } from "./terminal_text.ts";

/** Characters of one argument that are shown; a path may have 4,096. */
const ARGUMENT_LENGTH_MAX = 512;
/** How names of system calls begin where they are hooked. */
const SYSCALL_PREFIX = /^__(?:x64|arm64)_sys_/;

/** `openat /etc/shadow 0 = -2`. */
export function callWords({ functionName, subsystem, args, returns }: PolicyEvent): string {
  const name = subsystem === undefined
    ? functionName.replace(SYSCALL_PREFIX, "")
    : `${subsystem}/${functionName}`;
  const shown = args.map(argumentWords).filter((words) => words !== "");
  const call = [terminalString(name), ...shown].join(" ");
  return returns === undefined ? call : `${call} = ${argumentWords(returns)}`;
}

/** `DENIED by no-shadow`, `would be KILLED by no-shadow`, `by watch-files`. */
export function verdictWords({ action, returnAction, policy, message }: PolicyEvent): string {
  const word = DEEDS[action] ?? (returnAction === undefined ? undefined : DEEDS[returnAction]);
  const name = terminalString(policy.name);
  const deed = word === undefined ? "" : policy.isEnforced ? `${word} ` : `would be ${word} `;
  const said = message === undefined ? "" : `: ${terminalString(message)}`;
  const unsure = policy.undecided === undefined ? "" : ` (undecided: ${policy.undecided})`;
  return `${deed}by ${name}${unsure}${said}`;
}

const DEEDS: Readonly<Partial<Record<PolicyEvent["action"], string>>> = {
  OVERRIDE: "DENIED",
  SIGKILL: "KILLED",
  SIGNAL: "SIGNALLED",
};

function argumentWords({ type, label, value }: PolicyArgument): string {
  const words = valueWords(type, value);
  const short = words.length <= ARGUMENT_LENGTH_MAX
    ? words
    : `${words.slice(0, ARGUMENT_LENGTH_MAX).replace(/[\ud800-\udbff]$/, "")}…`;
  return label === undefined ? short : `${terminalString(label)}=${short}`;
}

function valueWords(type: string, value: PolicyValue): string {
  switch (value.kind) {
    case "number": {
      const number = argumentNumber(type, value.value);
      return type === "capability" ? capabilityName(Number(number)) : String(number);
    }
    case "text":
      return value.isUnreadable ? "?" : quoted(terminalText(value.text)) + (value.isCut ? "…" : "");
    case "file":
      return value.isUnreadable ? "?" : (value.isCut ? "…" : "") + quoted(terminalText(value.path));
    case "socket":
      return socketWords(value);
    case "credentials":
      return capabilityNames(value.capEffective).join("|") || "no-capabilities";
  }
}

/** `10.0.0.1:4000->10.0.0.2:443`; of an address only its own part. */
function socketWords(socket: PolicySocket): string {
  const source = endWords(socket.sourceAddress, socket.sourcePort);
  const destination = endWords(socket.destinationAddress, socket.destinationPort);
  if (source === "" && destination === "") return familyName(socket.family);
  return source === "" ? destination : `${source}->${destination}`;
}

function endWords(address: string, port: number): string {
  if (address === "" && port === 0) return "";
  const shown = address.includes(":") ? `[${address}]` : address;
  return terminalString(port === 0 ? shown : `${shown}:${port}`);
}

function quoted(text: string): string {
  return text === "" || /[ "']/.test(text) ? `"${text.replaceAll('"', '\\"')}"` : text;
}
