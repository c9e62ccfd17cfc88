import assert from "node:assert/strict";
import { wantsColor } from "./terminal.ts";

Deno.test("wantsColor() follows the setting first, then the terminal and NO_COLOR", () => {
  assert.equal(wantsColor("always", false, { NO_COLOR: "1" }), true);
  assert.equal(wantsColor("never", true, {}), false);
  assert.equal(wantsColor("auto", true, { TERM: "xterm" }), true);
  assert.equal(wantsColor("auto", false, { TERM: "xterm" }), false);
  assert.equal(wantsColor("auto", true, { NO_COLOR: "1" }), false);
  assert.equal(wantsColor("auto", true, { NO_COLOR: "" }), true);
  assert.equal(wantsColor("auto", true, { TERM: "dumb" }), false);
});
