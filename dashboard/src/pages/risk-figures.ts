/** Figures that are drawn but not published: they follow from what is. */

/** Share of each strategy in the variance of the portfolio, w_i (Σw)_i / w'Σw. */
export function riskShares(weights: number[], matrix: number[][]): number[] {
  const along = matrix.map((row) => row.reduce((sum, v, j) => sum + v * (weights[j] ?? 0), 0));
  const total = weights.reduce((sum, w, i) => sum + w * (along[i] ?? 0), 0);
  return weights.map((w, i) => (total > 0 ? (w * (along[i] ?? 0)) / total : 0));
}

/** Correlations of a covariance; 0 where a variance is 0. */
export function correlationsOf(matrix: number[][]): number[][] {
  const deviation = matrix.map((row, i) => Math.sqrt(Math.max(row[i] ?? 0, 0)));
  return matrix.map((row, i) =>
    row.map((v, j) => {
      const scale = (deviation[i] ?? 0) * (deviation[j] ?? 0);
      return i === j ? 1 : scale > 0 ? v / scale : 0;
    }),
  );
}

/** An order that puts what moves together side by side: average linkage on 1 - ρ. */
export function clusterOrder(correlations: number[][]): number[] {
  let groups = correlations.map((_, i) => [i]);
  const distance = (a: number[], b: number[]): number => {
    let sum = 0;
    for (const i of a) for (const j of b) sum += 1 - (correlations[i]?.[j] ?? 0);
    return sum / (a.length * b.length);
  };
  while (groups.length > 1) {
    let best: [number, number, number] = [0, 1, Infinity];
    groups.forEach((a, i) =>
      groups.slice(i + 1).forEach((b, offset) => {
        const apart = distance(a, b);
        if (apart < best[2]) best = [i, i + 1 + offset, apart];
      }),
    );
    const [i, j] = best;
    const merged = [...(groups[i] ?? []), ...(groups[j] ?? [])];
    groups = [...groups.filter((_, k) => k !== i && k !== j), merged];
  }
  return groups[0] ?? [];
}

interface Point {
  bar_end: string;
  drawdown: number;
  return_net: number;
}

export interface Drawdown {
  from: string;
  deepest: string;
  /** Null while it has not been made good. */
  to: string | null;
  depth: number;
  bars: number;
}

/** The deepest times below a high, deepest first: from the first bar below it to the first at it again. */
export function drawdownsOf(points: Point[], count: number): Drawdown[] {
  const found: Drawdown[] = [];
  let open: Drawdown | null = null;
  for (const { bar_end, drawdown } of points) {
    if (drawdown < 0) {
      open ??= { from: bar_end, deepest: bar_end, to: null, depth: 0, bars: 0 };
      open.bars += 1;
      if (drawdown < open.depth) [open.depth, open.deepest] = [drawdown, bar_end];
    } else if (open !== null) {
      found.push({ ...open, to: bar_end });
      open = null;
    }
  }
  if (open !== null) found.push(open);
  return found.sort((a, b) => a.depth - b.depth).slice(0, count);
}

export interface Tail {
  level: number;
  /** The loss that so many of the bars stay below, and the mean of the others; both positive for a loss. */
  valueAtRisk: number;
  expectedShortfall: number;
}

/** Historical tails of returns per bar: the worst 1 - level of them, rounded up to whole bars. */
export function tailsOf(returns: number[], levels: number[]): Tail[] {
  const losses = returns.map((r) => -r).sort((a, b) => b - a);
  return levels.flatMap((level) => {
    const count = Math.ceil(Number(((1 - level) * losses.length).toPrecision(12)));
    const worst = losses.slice(0, count);
    const least = worst.at(-1);
    if (least === undefined) return [];
    return [{ level, valueAtRisk: least, expectedShortfall: worst.reduce((sum, v) => sum + v, 0) / worst.length }];
  });
}
