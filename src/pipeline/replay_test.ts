import assert from "node:assert/strict";
import { fixtureNames, readFixture, replay } from "../../tests/fixtures/fixture.ts";
import { LAYOUT_HASH } from "../wire/mod.ts";

for (const name of fixtureNames()) {
  Deno.test(`Pipeline makes the expected events of fixture ${name}`, async () => {
    const { records, fixture } = readFixture(name);
    assert.equal(
      fixture.layoutHash,
      LAYOUT_HASH,
      "the wire layout has changed: renew the fixtures, see tests/fixtures/README.md",
    );
    assert.deepEqual(JSON.parse(JSON.stringify(await replay(records))), fixture.events);
  });
}

Deno.test("Pipeline has fixtures to replay", () => {
  assert(fixtureNames().length >= 3);
});
