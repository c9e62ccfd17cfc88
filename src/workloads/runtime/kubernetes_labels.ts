/**
 * Labels that kubelet gives each container, through any runtime.
 *
 * @module
 */
import type { Pod } from "../../events/mod.ts";
import type { FactLimits } from "./fact_limits.ts";

/** The value of `io.kubernetes.container.name` (Docker) for the pause container. */
const SANDBOX_NAME = "POD";

/** The pod those labels name; undefined without uid and name. */
export function podOfLabels(
  labels: Readonly<Record<string, string>> | undefined,
  limits: FactLimits,
): { readonly pod: Pod; readonly isSandbox: boolean } | undefined {
  const uid = limits.text(labels?.["io.kubernetes.pod.uid"]);
  const name = limits.text(labels?.["io.kubernetes.pod.name"]);
  if (uid === undefined || name === undefined) return undefined;
  const namespace = limits.text(labels?.["io.kubernetes.pod.namespace"]);
  const containerName = limits.text(labels?.["io.kubernetes.container.name"]);
  const isSandbox = containerName === SANDBOX_NAME ||
    labels?.["io.cri-containerd.kind"] === "sandbox";
  return {
    isSandbox,
    pod: {
      uid,
      name,
      ...(namespace === undefined ? {} : { namespace }),
      ...(containerName === undefined || isSandbox ? {} : { containerName }),
    },
  };
}
