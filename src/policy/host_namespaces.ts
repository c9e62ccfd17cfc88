/**
 * `host_ns` of policies becomes the number it stands for, which is known only on the host.
 *
 * @module
 */
import type { Condition, NamespaceName, Place, Policy } from "./model.ts";

/**
 * Inode number of each namespace of the host's first process; missing where it is not known, 0
 * where this kernel has none of that kind.
 */
export type HostNamespaces = Readonly<Partial<Record<NamespaceName, bigint>>>;

/** Conditions with `withHost` on a namespace whose number is not known here. */
export function unknownHostNamespaces(
  policy: Policy,
  namespaces: HostNamespaces,
): { readonly place: Place; readonly namespace: NamespaceName }[] {
  return policy.hooks.flatMap(({ selectors }) => selectors)
    .flatMap(({ conditions }) => conditions)
    .flatMap(({ subject, test, place }) => {
      const asks = subject.of === "namespace" && test.kind === "number" && test.withHost === true;
      if (!asks || namespaces[subject.namespace] !== undefined) return [];
      return [{ place, namespace: subject.namespace }];
    });
}

/**
 * The policy without `withHost`, of which `unknownHostNamespaces()` finds nothing. A namespace that
 * this kernel does not have has no inode, so that nobody is in it and "host_ns" adds no value.
 */
export function withHostNamespaces(policy: Policy, namespaces: HostNamespaces): Policy {
  if (!policy.hooks.some(({ selectors }) => selectors.some(asks))) return policy;
  const hooks = policy.hooks.map((hook) => ({
    ...hook,
    selectors: hook.selectors.map((selector) => ({
      ...selector,
      conditions: selector.conditions.map((condition) => resolve(condition, namespaces)),
    })),
  }));
  return { ...policy, hooks };
}

function asks({ conditions }: { readonly conditions: readonly Condition[] }): boolean {
  return conditions.some(({ test }) => test.kind === "number" && test.withHost === true);
}

function resolve(condition: Condition, namespaces: HostNamespaces): Condition {
  const { subject, test } = condition;
  if (subject.of !== "namespace" || test.kind !== "number" || !test.withHost) return condition;
  const inode = namespaces[subject.namespace];
  if (inode === undefined) throw new RangeError(`Nobody knows the host's ${subject.namespace}`);
  const values = inode === 0n ? test.values : [...test.values, inode];
  return { ...condition, test: { kind: "number", values } };
}
