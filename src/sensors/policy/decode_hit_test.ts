import assert from "node:assert/strict";
import {
  ipAddressText,
  POLICY_FILE_VALUE_SIZE,
  POLICY_HIT_ARG_SIZE,
  POLICY_HIT_SIZE,
  POLICY_HIT_WORD_SIZE,
  POLICY_SOCKET_VALUE_SIZE,
  PolicyArgType as Type,
  PolicyEffectKind,
  PolicyFileValueOffset as File,
  PolicyHitArgOffset as Arg,
  PolicyHitFlag as Flag,
  PolicyHitOffset as Hit,
  PolicyHitWordOffset as Word,
  PolicyPhase,
  PolicySocketValueOffset as Socket,
  RecordHeaderOffset as Header,
  RecordView,
} from "../../wire/mod.ts";
import { PolicyHitDecoder } from "./decode_hit.ts";

interface Fields {
  readonly flags?: number;
  readonly phase?: number;
  readonly effect?: readonly [kind: number, parameter: number];
  readonly words?: readonly (readonly [index: number, bits: bigint])[];
  readonly args?: readonly { type: number; flags?: number; body: Uint8Array; size?: number }[];
  /** Bytes by which the record lies about its size. */
  readonly sizeOff?: number;
  readonly argCount?: number;
}

/** A record behind some bytes of another one, as in a ring. */
function record({ args = [], words = [], ...fields }: Fields): RecordView {
  const at = 8;
  const argSizes = args.map(({ body }) => POLICY_HIT_ARG_SIZE + Math.ceil(body.length / 8) * 8);
  const size = POLICY_HIT_SIZE + words.length * POLICY_HIT_WORD_SIZE +
    argSizes.reduce((sum, each) => sum + each, 0);
  const bytes = new Uint8Array(at + size);
  const view = new DataView(bytes.buffer);
  view.setUint32(at + Header.size, size, true);
  view.setBigUint64(at + Header.timeNs, 77n, true);
  view.setUint32(at + Header.tgid, 40, true);
  view.setUint32(at + Header.tid, 41, true);
  view.setUint32(at + Hit.hook, 3, true);
  view.setUint16(at + Hit.phase, fields.phase ?? 0, true);
  view.setUint16(at + Hit.flags, fields.flags ?? 0, true);
  view.setUint16(at + Hit.wordCount, words.length, true);
  view.setUint16(at + Hit.argCount, fields.argCount ?? args.length, true);
  const [kind, parameter] = fields.effect ?? [0, 0];
  view.setUint32(at + Hit.effectKind, kind, true);
  view.setUint32(at + Hit.effectParameter, parameter, true);
  view.setUint32(at + Hit.euid, 65534, true);
  view.setBigUint64(at + Hit.capEffective, 1n << 40n, true);
  view.setBigInt64(at + Hit.returnValue, -22n, true);
  words.forEach(([index, bits], i) => {
    const word = at + POLICY_HIT_SIZE + i * POLICY_HIT_WORD_SIZE;
    view.setUint32(word + Word.index, index, true);
    view.setBigUint64(word + Word.bits, bits, true);
  });
  let place = at + POLICY_HIT_SIZE + words.length * POLICY_HIT_WORD_SIZE;
  args.forEach(({ type, flags = 0, body, size }, i) => {
    view.setUint16(place + Arg.type, type, true);
    view.setUint16(place + Arg.flags, flags, true);
    view.setUint32(place + Arg.size, size ?? body.length, true);
    bytes.set(body, place + POLICY_HIT_ARG_SIZE);
    place += argSizes[i]!;
  });
  const cursor = new RecordView();
  cursor.set(bytes, view, at, size + (fields.sizeOff ?? 0));
  return cursor;
}

function u64(...values: readonly bigint[]): Uint8Array {
  return new Uint8Array(new BigUint64Array(values).buffer);
}

const decoder = new PolicyHitDecoder();
const bytesOf = (text: string) => new TextEncoder().encode(text);

Deno.test("PolicyHitDecoder reads who matched, and what was done to whom", () => {
  const hit = decoder.decode(record({
    flags: Flag.POLICY_HIT_ENFORCED | Flag.POLICY_HIT_SILENT | Flag.POLICY_HIT_RETURNS,
    effect: [PolicyEffectKind.POLICY_EFFECT_SIGNAL, 9],
    words: [[0, 5n], [15, 1n << 63n]],
  }));
  assert.deepEqual(hit.words, [{ index: 0, bits: 5n }, { index: 15, bits: 1n << 63n }]);
  assert.deepEqual(hit.effect, { kind: "signal", parameter: 9, isEnforced: true });
  assert.deepEqual([hit.type, hit.hook, hit.phase], ["policy_hit", 3, "call"]);
  assert.deepEqual([hit.isSilent, hit.expectsReturn, hit.isDeferred], [true, true, false]);
  assert.deepEqual([hit.tgid, hit.tid, hit.euid, hit.capEffective], [40, 41, 65534, 1n << 40n]);
  const end = decoder.decode(record({
    phase: PolicyPhase.POLICY_AT_RETURN,
    flags: Flag.POLICY_HIT_DEFERRED,
    effect: [PolicyEffectKind.POLICY_EFFECT_OVERRIDE, 13],
  }));
  assert.deepEqual([end.phase, end.returnValue, end.words, end.args], ["return", -22n, [], []]);
  assert.deepEqual(end.effect, { kind: "override", parameter: 13, isEnforced: false });
  assert.equal(end.isDeferred, true);
  assert.equal(decoder.decode(record({})).effect, undefined);
});

Deno.test("PolicyHitDecoder reads every kind of argument", () => {
  const file = new Uint8Array(POLICY_FILE_VALUE_SIZE + 4);
  const fileView = new DataView(file.buffer);
  fileView.setBigUint64(File.inode, 99n, true);
  fileView.setUint32(File.device, (8 << 20) | 17, true);
  fileView.setUint16(File.mode, 0o100644, true);
  fileView.setInt32(File.fd, 7, true);
  file.set(bytesOf("/a/b"), POLICY_FILE_VALUE_SIZE);
  const socket = new Uint8Array(POLICY_SOCKET_VALUE_SIZE);
  const socketView = new DataView(socket.buffer);
  socketView.setUint16(Socket.family, 2, true);
  socketView.setUint16(Socket.protocol, 6, true);
  socketView.setUint16(Socket.destinationPort, 443, true);
  socket.set([...Array(10).fill(0), 255, 255, 10, 0, 0, 1], Socket.destinationAddress);
  const { args } = decoder.decode(record({
    args: [
      { type: Type.POLICY_ARG_S32, body: u64(BigInt.asUintN(64, -1n)) },
      { type: Type.POLICY_ARG_STRING, flags: Flag.POLICY_HIT_TEXT_CUT, body: bytesOf("/etc") },
      { type: Type.POLICY_ARG_BUFFER, body: Uint8Array.of(0x61, 0, 0xff) },
      { type: Type.POLICY_ARG_FD, body: file },
      { type: Type.POLICY_ARG_PATH, flags: Flag.POLICY_HIT_UNREADABLE, body: file },
      { type: Type.POLICY_ARG_SOCKADDR, body: socket },
      { type: Type.POLICY_ARG_CRED, body: u64(3n, 2n, 1n) },
      { type: Type.POLICY_ARG_NONE, body: new Uint8Array(0) },
    ],
  }));
  const path = {
    ...{ kind: "file", path: { text: "/a/b" }, isCut: false, isUnreadable: false, inode: 99n },
    ...{ device: { major: 8, minor: 17 }, mode: 0o100644 },
  };
  assert.deepEqual(args, [
    { kind: "number", value: 2n ** 64n - 1n },
    {
      ...{ kind: "text", text: { text: "/etc" }, bytes: bytesOf("/etc") },
      ...{ isCut: true, isUnreadable: false },
    },
    {
      ...{ kind: "text", bytes: Uint8Array.of(0x61, 0, 0xff), isCut: false, isUnreadable: false },
      text: { text: "a\0\ufffd", raw: Uint8Array.of(0x61, 0, 0xff) },
    },
    { ...path, fd: 7 },
    { ...path, isUnreadable: true },
    {
      ...{ kind: "socket", family: 2, type: 0, protocol: 6, state: 0, mark: 0, cookie: 0n },
      ...{ sourceAddress: "0.0.0.0", destinationAddress: "10.0.0.1" },
      ...{ sourcePort: 0, destinationPort: 443 },
    },
    { kind: "credentials", capPermitted: 3n, capEffective: 2n, capInheritable: 1n },
    { kind: "number", value: 0n },
  ]);
});

Deno.test("PolicyHitDecoder throws when sizes and counts do not add up to the record", () => {
  const arg = { type: Type.POLICY_ARG_S32, body: u64(1n) };
  const wrong: Fields[] = [
    { sizeOff: -1 },
    { sizeOff: 8 },
    { words: [[0, 1n]], sizeOff: -16 },
    { argCount: 1 },
    { args: [arg], argCount: 0 },
    { args: [arg], argCount: 60_000 },
    { args: [{ ...arg, size: 4 }] },
    { args: [{ ...arg, size: 0xffff_fff8 }] },
    { args: [{ ...arg, type: Type.POLICY_ARG_FD }] },
    { args: [{ ...arg, type: Type.POLICY_ARG_SOCK }] },
    { args: [{ ...arg, type: Type.POLICY_ARG_CRED }] },
  ];
  for (const fields of wrong) {
    assert.throws(() => decoder.decode(record(fields)), RangeError, JSON.stringify(fields.args));
  }
});

Deno.test("ipAddressText() writes addresses as RFC 5952 wants them", () => {
  const text = (family: number, ...groups: number[]) => {
    const view = new DataView(new ArrayBuffer(16));
    groups.forEach((group, i) => view.setUint16(2 * i, group));
    return ipAddressText(view, 0, family);
  };
  assert.equal(text(2, 0, 0, 0, 0, 0, 0xffff, 0x7f00, 1), "127.0.0.1");
  assert.equal(text(10, 0, 0, 0, 0, 0, 0xffff, 0x7f00, 1), "::ffff:127.0.0.1");
  assert.equal(text(10), "::");
  assert.equal(text(10, 0, 0, 0, 0, 0, 0, 0, 1), "::1");
  assert.equal(text(10, 0x2001, 0xdb8), "2001:db8::");
  assert.equal(text(10, 0x2001, 0, 0, 1, 0, 0, 0, 1), "2001:0:0:1::1");
  assert.equal(text(10, 0x2001, 0xdb8, 0, 0, 1, 0, 0, 1), "2001:db8::1:0:0:1");
  assert.equal(text(10, 1, 0, 2, 3, 4, 5, 6, 7), "1:0:2:3:4:5:6:7");
  assert.equal(text(1, 1), "");
});
