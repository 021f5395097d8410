import { describe, expect, it } from "vitest";
import { parseEvent } from "./api/live";
import { overridesOf } from "./pages/controls";
import { clusterOrder, correlationsOf, drawdownsOf, riskShares, tailsOf } from "./pages/risk-figures";
import { gathered, ticks } from "./ui/scale";
import { ago, bps, change, instant, share } from "./units/format";
import { bindingWords, triggerWords } from "./units/words";

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

describe("drawdowns and tails", () => {
  const point = (day: number, drawdown: number) => ({ bar_end: `2024-01-0${day}`, drawdown, return_net: 0 });

  it("lists times below a high, the deepest first, an open one too", () => {
    const points = [point(1, 0), point(2, -0.1), point(3, -0.05), point(4, 0), point(5, -0.2)];
    expect(drawdownsOf(points, 5)).toEqual([
      { from: "2024-01-05", deepest: "2024-01-05", to: null, depth: -0.2, bars: 1 },
      { from: "2024-01-02", deepest: "2024-01-02", to: "2024-01-04", depth: -0.1, bars: 2 },
    ]);
  });

  it("takes the worst bars as the tail", () => {
    const returns = Array.from({ length: 40 }, (_, i) => (i - 20) / 1000);
    const [tail] = tailsOf(returns, [0.95]);
    expect(tail?.valueAtRisk).toBeCloseTo(0.019, 12);
    expect(tail?.expectedShortfall).toBeCloseTo(0.0195, 12);
    expect(tailsOf([], [0.95])).toEqual([]);
  });
});

describe("words", () => {
  it("says what a limit holds back", () => {
    expect(bindingWords({ constraint: "weight_max", side: "max", price: -0.5, strategy: "a" })).toBe("The largest weight of a is at its most; a unit more room is worth 0.500000 of the objective.");
    expect(bindingWords({ constraint: "families.trend", side: "min", price: 0, strategy: "" })).toContain("The limit of the family trend is at its least");
  });
});

describe("overrides", () => {
  const asked = (text: string) => overridesOf(new URLSearchParams(text));

  it("asks for nothing where no control is set", () => {
    expect(asked("portfolio=p&weight_max=&objective=none")).toBeNull();
  });

  it("turns percent into shares, and takes what an objective needs", () => {
    expect(asked("weight_max=30&volatility_max=7")).toEqual({ constraints: { weight_max: 0.3, volatility_max: 0.07 } });
    expect(asked("objective=target_volatility&target=5&risk_aversion=2")).toEqual({ objective: { type: "target_volatility", target: 0.05 } });
  });
});

describe("charts", () => {
  it("gathers marks that would touch", () => {
    expect([...gathered([0, 1, 5, 6, 9], (i) => i * 2, 4)]).toEqual([[0, [0, 1]], [5, [5, 6]], [9, [9]]]);
  });

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
