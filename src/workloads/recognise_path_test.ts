import { deepStrictEqual, equal, ok } from "node:assert/strict";
import { SeededRandom } from "../../tests/support/seeded_random.ts";
import { recognisePath } from "./recognise_path.ts";

const A = "a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90";
const B = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const POD = "kubelet-kubepods-pod6f9619ff_8b86_d011_b42d_00cf4fc964ff.slice";

Deno.test("recognisePath() takes the agent's own container for the host", () => {
  const home = `/docker/${A}`;
  const outer = { runtime: "docker", id: A };
  const pod = recognisePath(`${home}/kubelet.slice/${POD}/cri-containerd-${B}.scope`, { home });
  equal(pod.id, B);
  equal(pod.level, 5);
  equal(pod.pod?.uid, "6f9619ff-8b86-d011-b42d-00cf4fc964ff");
  deepStrictEqual(pod.outer, outer);

  const own = recognisePath(home, { home });
  deepStrictEqual([own.kind, own.level, own.isRecognised], ["host", 2, true]);
  deepStrictEqual(own.outer, outer);

  const service = recognisePath(`${home}/system.slice/kubelet.service`, { home });
  equal(service.name, "kubelet.service");
  equal(recognisePath(`/docker/${B}`, { home }).id, B, "a container beside the home");
  equal(recognisePath(`/docker/${A}${B}`, { home }).kind, "host", "only a prefix of a name");
});

Deno.test("recognisePath() reads /NAMESPACE/ID only for namespaces of containerd", () => {
  const containerdNamespaces = new Set(["ci"]);
  const job = recognisePath("/ci/job-1", { containerdNamespaces });
  deepStrictEqual(job.container, { runtime: "containerd", id: "job-1", namespace: "ci" });
  equal(recognisePath("/ci/job-1").kind, "host");
  equal(recognisePath("/batch/ci/job-1", { containerdNamespaces }).kind, "host");
});

Deno.test("recognisePath() says when no form matches", () => {
  for (const path of ["/mine", "/process_api/91015a782c4b1392f1048107557e2ce0"]) {
    const { kind, isRecognised } = recognisePath(path);
    deepStrictEqual([kind, isRecognised], ["host", false], path);
  }
  for (const path of ["/", "", "/lxc.monitor.web", "/kubepods/besteffort", "/docker"]) {
    const { kind, isRecognised } = recognisePath(path);
    deepStrictEqual([kind, isRecognised], ["host", true], path);
  }
});

Deno.test("recognisePath() bounds length and depth", () => {
  equal(recognisePath(`/${"x".repeat(5000)}/docker/${A}`).isRecognised, false);
  equal(recognisePath(`${"/x".repeat(64)}/docker/${A}`).kind, "host");
  equal(recognisePath(`${"/x".repeat(62)}/docker/${A}`).level, 64);
});

Deno.test("recognisePath() never throws and keeps its rules on random paths", () => {
  const random = SeededRandom.fromEnvironment("recognise_path_test");
  for (let round = 0; round < 20_000; round++) {
    const path = randomPath(random);
    const depth = path.split("/").filter((part) => part !== "" && !/^\.{1,2}$/.test(part)).length;
    const recognition = recognisePath(path, random.chance(0.2) ? { home: randomPath(random) } : {});
    ok(recognition.name !== "" && recognition.id !== "", path);
    ok(recognition.level >= 0 && recognition.level <= depth, path);
    if (recognition.kind === "container") ok(path.includes(recognition.container!.id), path);
    if (recognition.inner !== undefined) ok(recognition.container !== undefined, path);
    if (recognition.kind !== "host") ok(recognition.isRecognised, path);
  }
});

const WORDS = "docker kubepods burstable system.slice user.slice user-1000.slice default ns " +
  "user@1000.service session-3.scope lxc lxc.payload.a garden ecs buildkit k8s.io payload . .. " +
  "machine.slice machine-a\\x2db.scope libpod_parent init.scope container \\xff@\\x.service";

const PIECES = [
  A,
  `docker-${A}.scope`,
  `crio-${B}`,
  `kubepods.slice:cri-containerd:${B}`,
  `pod${A.slice(0, 32)}`,
  POD,
  ...WORDS.split(" "),
] as const;

function randomPath(random: SeededRandom): string {
  let path = "";
  for (let level = random.below(9); level > 0; level--) {
    let piece = random.pick(PIECES);
    if (random.chance(0.2)) {
      const at = random.below(piece.length);
      const byte = String.fromCharCode(random.below(0x180));
      piece = piece.slice(0, at) + byte + piece.slice(at + random.below(3));
    }
    path += `/${piece}`;
  }
  return path;
}
