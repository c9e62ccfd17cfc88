import { deepStrictEqual, equal, rejects } from "node:assert/strict";
import {
  type FakeGrpcMethods,
  FakeGrpcServer,
  GrpcStatus,
} from "../../../tests/support/fake_grpc_server.ts";
import { status } from "@grpc/grpc-js";
import { Counters } from "../../telemetry/mod.ts";
import { ContainerdClient } from "./containerd_client.ts";
import { CONTAINERD_METHODS } from "./containerd_messages.ts";
import { CriClient } from "./cri_client.ts";
import { CRI_METHODS } from "./cri_messages.ts";
import { FactLimits } from "./fact_limits.ts";
import { fieldsOf, ProtobufWriter, textOf } from "./protobuf.ts";
import type { RuntimeChange, Subject } from "./runtime_client.ts";

const ID = "a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90";
const SANDBOX = ID.replaceAll("a", "b");
const SUBJECT: Subject = { kind: "container", id: ID, runtime: "unknown", inPod: true };

/** The library closes sockets in the next turns: no leaks of ours. */
function test(name: string, run: () => Promise<void>): void {
  Deno.test({ name, sanitizeOps: false, sanitizeResources: false, fn: run });
}

function message(): ProtobufWriter {
  return new ProtobufWriter();
}

function entry(key: string, value: string): Uint8Array {
  return message().text(1, key).text(2, value).finish();
}

function optionsFor({ socketPath }: FakeGrpcServer) {
  const limits = { timeoutMs: 2000, responseSizeMax: 100_000 };
  return { socketPath, limits, factLimits: new FactLimits(new Counters()) };
}

/** Text of field 1 of field 1: the id in a filter. */
function filterId(request: Uint8Array): string {
  for (const filter of fieldsOf(request)) {
    for (const field of fieldsOf(filter.bytes)) if (field.number === 1) return textOf(field);
  }
  return "";
}

function sandbox({ id, uid, state, createdAtNs }: {
  readonly id: string;
  readonly uid: string;
  readonly state: bigint;
  readonly createdAtNs: bigint;
}): Uint8Array {
  const metadata = message().text(1, "cart-0").text(2, uid).text(3, "shop").finish();
  return message().text(1, id).bytes(2, metadata).varint(3, state).varint(4, createdAtNs)
    .bytes(5, entry("app", "cart")).bytes(6, entry("owner", "blue")).finish();
}

const SANDBOXES: readonly Uint8Array[] = [
  sandbox({ id: "old", uid: "u-1", state: 1n, createdAtNs: 9n }),
  sandbox({ id: SANDBOX, uid: "u-1", state: 0n, createdAtNs: 5n }),
  sandbox({ id: "older", uid: "u-1", state: 0n, createdAtNs: 4n }),
  sandbox({ id: "other", uid: "u-2", state: 0n, createdAtNs: 20n }),
];

/** A runtime with one container in a pod that was restarted. */
const CRI: FakeGrpcMethods = {
  unary: {
    [CRI_METHODS.version]: () => message().text(1, "0.1.0").text(2, "cri-o").finish(),
    [CRI_METHODS.listContainers]: (request) => {
      if (filterId(request) !== ID) return message().finish();
      const container = message().text(1, ID).text(2, SANDBOX)
        .bytes(3, message().text(1, "api").finish())
        .bytes(4, message().text(1, "test.local/app:1").finish())
        .text(5, "sha256:1234").varint(6, 1n).bytes(8, entry("team", "blue"));
      return message().bytes(1, container.finish()).finish();
    },
    [CRI_METHODS.containerStatus]: () => {
      const about = message().text(1, ID).varint(5, 1_700_000_000_000_000_001n).finish();
      return message().bytes(1, about).bytes(2, entry("info", `{"pid":4711}`)).finish();
    },
    [CRI_METHODS.listPodSandbox]: (request) => {
      const writer = message();
      const id = filterId(request);
      const hasLabel = [...fieldsOf(request)].some(({ bytes }) =>
        [...fieldsOf(bytes)].some(({ number }) => number === 3)
      );
      if (hasLabel) return writer.finish();
      for (const [at, name] of ["old", SANDBOX, "older", "other"].entries()) {
        if (id === "" || id === name) writer.bytes(1, SANDBOXES[at]!);
      }
      return writer.finish();
    },
  },
};

test("CriClient.lookUp() reads a container, its image and its pod", async () => {
  await using server = await FakeGrpcServer.start(CRI);
  const client = new CriClient(optionsFor(server));
  const facts = await client.lookUp(SUBJECT);
  deepStrictEqual({ ...facts?.container, labels: { ...facts?.container?.labels } }, {
    runtime: "cri-o",
    id: ID,
    name: "api",
    image: { id: "sha256:1234", name: "test.local/app:1" },
    labels: { team: "blue" },
    startTimeNs: 1_700_000_000_000_000_001n,
    pid: 4711,
  });
  const { labels, annotations, ...pod } = facts?.pod ?? {};
  deepStrictEqual(pod, {
    uid: "u-1",
    namespace: "shop",
    name: "cart-0",
    sandboxId: SANDBOX,
    containerName: "api",
  });
  deepStrictEqual([{ ...labels }, { ...annotations }], [{ app: "cart" }, { owner: "blue" }]);
  client.close();
});

test("CriClient.lookUp() knows a sandbox and a pod by its uid", async () => {
  await using server = await FakeGrpcServer.start(CRI);
  const client = new CriClient(optionsFor(server));
  const pause = await client.lookUp({ ...SUBJECT, id: SANDBOX });
  deepStrictEqual([pause?.isSandbox, pause?.pod?.name], [true, "cart-0"]);
  const pod = await client.lookUp({ kind: "pod", id: "u-1", runtime: "kubernetes", inPod: true });
  equal(pod?.pod?.sandboxId, SANDBOX, "the newest of those that are ready");
  equal(await client.lookUp({ ...SUBJECT, id: "missing" }), undefined);
  equal(await client.lookUp({ ...SUBJECT, kind: "pod", id: "u-3" }), undefined);
  client.close();
});

test("CriClient.lookUp() fails on answers that are no messages", async () => {
  const garbage = { ...CRI.unary, [CRI_METHODS.listContainers]: () => Uint8Array.of(0xff) };
  await using server = await FakeGrpcServer.start({ unary: garbage });
  const client = new CriClient(optionsFor(server));
  await rejects(client.lookUp(SUBJECT), { name: "RuntimeError", code: "protocol" });
  client.close();
});

test("CriClient.watch() reports events where the runtime has them", async () => {
  await using server = await FakeGrpcServer.start({
    ...CRI,
    stream: {
      [CRI_METHODS.getContainerEvents]: (write) => {
        write(message().text(1, ID).finish());
        write(message().text(1, ID).varint(2, 3n).finish());
      },
    },
  });
  const client = new CriClient(optionsFor(server));
  const abort = new AbortController();
  const changes: RuntimeChange[] = [];
  await client.watch((change) => {
    changes.push(change);
    if (change.type === "removed") abort.abort();
  }, abort.signal);
  deepStrictEqual(changes, [
    { type: "connected" },
    { type: "container", id: ID },
    { type: "removed", id: ID },
  ]);
  client.close();
  await using plain = await FakeGrpcServer.start(CRI);
  const other = new CriClient(optionsFor(plain));
  await other.watch(() => {}, new AbortController().signal);
  other.close();
});

/** containerd with namespaces "moby" and "ci", and one container in both. */
const CONTAINERD: FakeGrpcMethods = {
  unary: {
    [CONTAINERD_METHODS.namespaces]: () =>
      message().bytes(1, message().text(1, "moby").finish())
        .bytes(1, message().text(1, "ci").finish()).finish(),
    [CONTAINERD_METHODS.container]: (request, metadata) => {
      const [id] = fieldsOf(request);
      if (textOf(id!) !== "job-1") throw new GrpcStatus(status.NOT_FOUND);
      const container = message().text(1, "job-1")
        .bytes(2, entry("in", String(metadata.get("containerd-namespace"))))
        .text(3, "test.local/app:1");
      return message().bytes(1, container.finish()).finish();
    },
    [CONTAINERD_METHODS.image]: () => {
      const target = message().text(1, "type").text(2, "sha256:5678").finish();
      return message().bytes(1, message().text(1, "name").bytes(3, target).finish()).finish();
    },
    [CONTAINERD_METHODS.task]: () => {
      throw new GrpcStatus(status.NOT_FOUND);
    },
  },
  stream: {
    [CONTAINERD_METHODS.events]: (write) => {
      for (const topic of ["/containers/create", "/containers/delete"]) {
        const event = message().text(1, "type").bytes(2, message().text(1, "job-1").finish());
        write(message().text(2, "ci").text(3, topic).bytes(4, event.finish()).finish());
      }
    },
  },
};

test("ContainerdClient.lookUp() looks in all namespaces but Docker's", async () => {
  await using server = await FakeGrpcServer.start(CONTAINERD);
  const client = new ContainerdClient(optionsFor(server));
  const facts = await client.lookUp({ ...SUBJECT, id: "job-1" });
  deepStrictEqual({ ...facts?.container, labels: { ...facts?.container?.labels } }, {
    runtime: "containerd",
    id: "job-1",
    name: "job-1",
    image: { id: "sha256:5678", name: "test.local/app:1" },
    labels: { in: "ci" },
  });
  equal(await client.lookUp({ ...SUBJECT, id: "job-2", namespace: "ci" }), undefined);
  client.close();
});

test("ContainerdClient.watch() reports namespaces and containers", async () => {
  await using server = await FakeGrpcServer.start(CONTAINERD);
  const client = new ContainerdClient(optionsFor(server));
  const abort = new AbortController();
  const changes: RuntimeChange[] = [];
  await client.watch((change) => {
    changes.push(change);
    if (change.type === "removed") abort.abort();
  }, abort.signal);
  deepStrictEqual(changes, [
    { type: "namespaces", names: ["moby", "ci"] },
    { type: "connected" },
    { type: "container", id: "job-1", namespace: "ci" },
    { type: "removed", id: "job-1" },
  ]);
  client.close();
});
