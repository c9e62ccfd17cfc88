import { strictEqual } from "node:assert/strict";
import { RestartBudget } from "./restart_budget.ts";

Deno.test("RestartBudget.spend() allows five in a minute", () => {
  const budget = new RestartBudget();
  for (let ms = 0; ms < 5; ms++) strictEqual(budget.spend(ms), true);
  strictEqual(budget.spend(59_999), false);
  strictEqual(budget.spend(60_000), true);
  strictEqual(budget.spend(60_000), false);
});
