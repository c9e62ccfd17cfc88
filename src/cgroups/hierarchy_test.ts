import assert from "node:assert/strict";
import { type Hierarchy, pathBelowMount } from "./hierarchy.ts";

/** v2 mounted at /c, as this process sees it. */
function hierarchy(root: string, ownPath: string, own?: string): Hierarchy {
  return {
    ...{ version: 2, hierarchyId: 0, controllers: [], ownPath },
    mount: { version: 2, root, path: "/c", options: [] },
    ...(own !== undefined && { ownDirectory: `/c${own}` }),
  };
}

Deno.test("pathBelowMount() follows .. from the root of the cgroup namespace", () => {
  const seen = hierarchy("/../..", "/worker", "/system.slice/shrike.service/worker");
  const cases: readonly (readonly [string, string | undefined])[] = [
    ["/", "/system.slice/shrike.service"],
    ["/worker", "/system.slice/shrike.service/worker"],
    ["/../web.service", "/system.slice/web.service"],
    ["/../../docker/0123", "/docker/0123"],
    ["/../..", "/"],
    ["/../../../above", undefined],
  ];
  for (const [shown, path] of cases) assert.equal(pathBelowMount(seen, shown), path, shown);
  const lost = hierarchy("/../..", "/worker");
  assert.equal(pathBelowMount(lost, "/../../docker/0123"), undefined);
});

Deno.test("pathBelowMount() leaves out what the mount does not show", () => {
  const part = hierarchy("/docker/0123", "/docker/0123");
  assert.equal(pathBelowMount(part, "/docker/0123"), "/");
  assert.equal(pathBelowMount(part, "/docker/0123/inner"), "/inner");
  assert.equal(pathBelowMount(part, "/docker/01234"), undefined);
  assert.equal(pathBelowMount(part, "/"), undefined);
  const hidden = hierarchy("/", "/");
  assert.equal(pathBelowMount(hidden, "/inner"), "/inner");
  // Below the mount point these names would be other files.
  assert.equal(pathBelowMount(hidden, "/../../docker/0123"), undefined);
  const { mount: _, ...unmounted } = hidden;
  assert.equal(pathBelowMount(unmounted, "/inner"), undefined);
});
