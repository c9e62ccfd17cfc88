import type {
  ExecGains,
  ExecProblems,
  Executable,
  ProcessExecuted,
  Text,
} from "../../events/mod.ts";
import {
  PROCESS_EXEC_SIZE,
  ProcessExecOffset as Offset,
  ProcessFlag,
  ProcessRecordKind,
  readProcessCredentials,
  readProcessNamespaces,
  type RecordView,
} from "../../wire/mod.ts";
import type { RecordDecoder } from "../sensor.ts";
import { TextReader } from "../text_reader.ts";
import { checkSize, readFactBase } from "../record_parts.ts";

/** Most execs have none, and the object is never changed. */
const NO_PROBLEMS: ExecProblems = readProblems(0);
const PROBLEM_FLAGS = ProcessFlag.PROCESS_ARGUMENTS_CUT | ProcessFlag.PROCESS_ARGUMENTS_FAILED |
  ProcessFlag.PROCESS_ENVIRONMENT_CUT | ProcessFlag.PROCESS_ENVIRONMENT_FAILED |
  ProcessFlag.PROCESS_FILENAME_CUT | ProcessFlag.PROCESS_FILENAME_FAILED |
  ProcessFlag.PROCESS_CWD_CUT | ProcessFlag.PROCESS_CWD_FAILED | ProcessFlag.PROCESS_EXE_CUT;

/** What getcwd(2) puts before a directory outside the process's root; also said of programs. */
const UNREACHABLE = "(unreachable)";

/** Reads `struct process_exec` and the six byte strings behind it. */
export class ExecDecoder implements RecordDecoder {
  readonly kind = ProcessRecordKind.PROCESS_EXEC;
  readonly name = "process_exec";
  readonly #texts = new TextReader();

  /** @throws {RangeError} the sizes of the strings do not add up to the record's. */
  decode(record: RecordView): ProcessExecuted {
    const { view, bytes, offset } = record;
    if (record.size < PROCESS_EXEC_SIZE) checkSize(this.name, record, PROCESS_EXEC_SIZE);
    const filenameAt = offset + PROCESS_EXEC_SIZE;
    const interpreterAt = filenameAt + view.getUint32(offset + Offset.filenameSize, true);
    const exeAt = interpreterAt + view.getUint32(offset + Offset.interpreterSize, true);
    const cwdAt = exeAt + view.getUint32(offset + Offset.exeSize, true);
    const argumentsAt = cwdAt + view.getUint32(offset + Offset.cwdSize, true);
    const environmentAt = argumentsAt + view.getUint32(offset + Offset.argumentsSize, true);
    const end = environmentAt + view.getUint32(offset + Offset.environmentSize, true);
    checkSize(this.name, record, end - offset);
    const flags = view.getUint32(offset + Offset.processFlags, true);
    const filename = this.#texts.text(bytes, filenameAt, interpreterAt);
    const interpreter = this.#texts.text(bytes, interpreterAt, exeAt);
    const hasInterpreter = interpreter.text !== "" && interpreter.text !== filename.text;
    const hasExe = (flags & ProcessFlag.PROCESS_EXE_FAILED) === 0;
    return {
      type: "process_executed",
      ...readFactBase(record),
      parentTgid: view.getUint32(offset + Offset.parentTgid, true),
      parentStartNs: view.getBigUint64(offset + Offset.parentStartNs, true),
      parentIsKernel: (flags & ProcessFlag.PROCESS_PARENT_KERNEL) !== 0,
      oldTid: view.getUint32(offset + Offset.oldTid, true),
      pidNsLevel: view.getUint32(offset + Offset.pidNsLevel, true),
      credentials: readProcessCredentials(view, offset + Offset.credentials),
      namespaces: readProcessNamespaces(view, offset + Offset.namespaces),
      filename,
      ...(hasInterpreter ? { interpreter } : undefined),
      ...(hasExe ? { exe: this.#executable(record, exeAt, cwdAt, flags) } : undefined),
      cwd: this.#cwd(bytes, cwdAt, argumentsAt, flags),
      argv: this.#texts.list(bytes, argumentsAt, environmentAt),
      ...(environmentAt < end
        ? { environment: this.#texts.list(bytes, environmentAt, end) }
        : undefined),
      secureExec: (flags & ProcessFlag.PROCESS_SECURE_EXEC) !== 0,
      gained: (flags & GAIN_FLAGS) === 0 ? NO_GAINS : readGains(flags),
      problems: (flags & PROBLEM_FLAGS) === 0 ? NO_PROBLEMS : readProblems(flags),
    };
  }

  #executable(record: RecordView, start: number, end: number, flags: number): Executable {
    const { view, offset } = record;
    const device = view.getUint32(offset + Offset.exeDevice, true);
    const cut = (flags & ProcessFlag.PROCESS_EXE_CUT) !== 0;
    const path = this.#texts.path(record.bytes, start, end, cut);
    const isReachable = (flags & ProcessFlag.PROCESS_EXE_UNREACHABLE) === 0;
    return {
      path: isReachable ? path : prefixed(UNREACHABLE, path),
      inode: view.getBigUint64(offset + Offset.exeInode, true),
      device: { major: device >>> 20, minor: device & 0xfffff },
      links: view.getUint32(offset + Offset.exeLinks, true),
      mode: view.getUint32(offset + Offset.exeMode, true),
      uid: view.getUint32(offset + Offset.exeUid, true),
      gid: view.getUint32(offset + Offset.exeGid, true),
      deleted: (flags & ProcessFlag.PROCESS_EXE_UNLINKED) !== 0,
      memfd: (flags & ProcessFlag.PROCESS_EXE_MEMFD) !== 0,
    };
  }

  #cwd(bytes: Uint8Array, start: number, end: number, flags: number): Text {
    if ((flags & ProcessFlag.PROCESS_CWD_FAILED) !== 0) return { text: "" };
    const cut = (flags & ProcessFlag.PROCESS_CWD_CUT) !== 0;
    const cwd = this.#texts.path(bytes, start, end, cut);
    if ((flags & ProcessFlag.PROCESS_CWD_UNREACHABLE) === 0) return cwd;
    return prefixed(UNREACHABLE, cwd);
  }
}

function prefixed(prefix: string, { text, raw }: Text): Text {
  if (raw === undefined) return { text: prefix + text };
  const bytes = new Uint8Array(prefix.length + raw.length);
  new TextEncoder().encodeInto(prefix, bytes);
  bytes.set(raw, prefix.length);
  return { text: prefix + text, raw: bytes };
}

const GAIN_FLAGS = ProcessFlag.PROCESS_EUID_RAISED | ProcessFlag.PROCESS_EGID_CHANGED |
  ProcessFlag.PROCESS_CAPS_GAINED;
const NO_GAINS: ExecGains = Object.freeze({ euid: false, egid: false, capabilities: false });

function readGains(flags: number): ExecGains {
  return {
    euid: (flags & ProcessFlag.PROCESS_EUID_RAISED) !== 0,
    egid: (flags & ProcessFlag.PROCESS_EGID_CHANGED) !== 0,
    capabilities: (flags & ProcessFlag.PROCESS_CAPS_GAINED) !== 0,
  };
}

function readProblems(flags: number): ExecProblems {
  return {
    argumentsCut: (flags & ProcessFlag.PROCESS_ARGUMENTS_CUT) !== 0,
    argumentsFailed: (flags & ProcessFlag.PROCESS_ARGUMENTS_FAILED) !== 0,
    environmentCut: (flags & ProcessFlag.PROCESS_ENVIRONMENT_CUT) !== 0,
    environmentFailed: (flags & ProcessFlag.PROCESS_ENVIRONMENT_FAILED) !== 0,
    filenameCut: (flags & ProcessFlag.PROCESS_FILENAME_CUT) !== 0,
    filenameFailed: (flags & ProcessFlag.PROCESS_FILENAME_FAILED) !== 0,
    cwdCut: (flags & ProcessFlag.PROCESS_CWD_CUT) !== 0,
    cwdFailed: (flags & ProcessFlag.PROCESS_CWD_FAILED) !== 0,
    exeCut: (flags & ProcessFlag.PROCESS_EXE_CUT) !== 0,
  };
}
