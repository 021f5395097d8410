import { describe, expect, it } from "vitest";
import { parseEvent } from "./api/live";
import { clusterOrder, correlationsOf, riskShares } from "./pages/risk-figures";
import { ticks } from "./ui/charts";
import { ago, bps, change, instant, share, triggerWords } from "./units/format";

describe("format", () => {
  it("writes shares, changes and basis points with their unit", () => {
    expect(share(0.12345)).toBe("12.35%");
    expect(change(-0.01)).toBe("-1.00%");
    expect(change(0.01)).toBe("+1.00%");
    expect(bps(0.00012)).toBe("1.2 bp");
    expect(share(null)).toBe("–");
  });

  it("leaves the clock of a midnight out", () => {
    expect(instant("2024-05-31T00:00:00Z")).toBe("2024-05-31");
    expect(instant("2024-05-31T20:00:01Z")).toBe("2024-05-31 20:00:01 UTC");
  });

  it("says ages and triggers in words", () => {
    expect(ago(61_000)).toBe("1 min ago");
    expect(triggerWords({ kind: "drift", value: 0.06, threshold: 0.05 })).toBe("drift 6.00% above 5.00%");
  });
});

describe("risk figures", () => {
  it("shares out the variance, in sum 1", () => {
    const shares = riskShares([0.5, 0.5], [[0.04, 0], [0, 0.01]]);
    expect(shares[0]).toBeCloseTo(0.8, 12);
    expect(shares[0]! + shares[1]!).toBeCloseTo(1, 12);
  });

  it("gives correlations with a unit diagonal, also of a strategy that stands still", () => {
    expect(correlationsOf([[4, 1, 0], [1, 1, 0], [0, 0, 0]])).toEqual([[1, 0.5, 0], [0.5, 1, 0], [0, 0, 1]]);
  });

  it("puts twins side by side", () => {
    const order = clusterOrder([[1, 0, 0.9], [0, 1, 0], [0.9, 0, 1]]);
    expect(Math.abs(order.indexOf(0) - order.indexOf(2))).toBe(1);
  });
});

describe("charts", () => {
  it("chooses round ticks within the bounds", () => {
    expect(ticks(0, 1)).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1]);
    expect(ticks(1, 1)).toEqual([1]);
  });
});

describe("live events", () => {
  it("reads the id and the kind", () => {
    expect(parseEvent("id: 7\nevent: weights\ndata: {}")).toEqual({ id: "7", kind: "weights" });
    expect(parseEvent(": still here")).toEqual({ id: "", kind: "" });
  });
});
