/** Where values stand in a drawing. */

/** Round values between two bounds, about four of them. */
export function ticks(low: number, high: number): number[] {
  const span = high - low;
  if (!(span > 0)) return [low];
  const power = 10 ** Math.floor(Math.log10(span / 4));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((s) => span / s <= 5) ?? power * 10;
  const found = [];
  for (let tick = Math.ceil(low / step) * step; tick <= high + step * 1e-9; tick += step) found.push(Number(tick.toFixed(12)));
  return found;
}

/** The least and the largest of some values; 0 and 1 where there are none. */
export function bounds(values: number[]): [number, number] {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return Number.isFinite(low) ? [low, high] : [0, 1];
}

/** From a value to its place: `from` stands at `start`, `to` at `end`. */
export const scale =
  ([from, to]: [number, number], start: number, end: number) =>
  (value: number): number =>
    start + ((value - from) / (to - from || 1)) * (end - start);

/** About how wide a text of 10 px is. */
export const widthOf = (text: string): number => 6.1 * text.length;

/** Positions that stand at least `gap` apart, each with those that fell to it. */
export function gathered(positions: number[], place: (position: number) => number, gap: number): Map<number, number[]> {
  const groups = new Map<number, number[]>();
  let first: number | null = null;
  for (const position of [...positions].sort((a, b) => a - b)) {
    if (first === null || place(position) - place(first) >= gap) {
      first = position;
      groups.set(first, []);
    }
    groups.get(first)?.push(position);
  }
  return groups;
}
