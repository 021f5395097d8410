/** A ring of shares, and the colours of strategies. */

export interface Slice {
  name: string;
  value: number;
  colour: string;
}

/** A ring of shares; who has none of it is left out. */
export function Donut({ label, slices }: { label: string; slices: Slice[] }) {
  const total = slices.reduce((sum, slice) => sum + Math.max(slice.value, 0), 0) || 1;
  let at = 0;
  return (
    <svg role="img" aria-label={label} viewBox="-1.1 -1.1 2.2 2.2" width="100%" style={{ maxWidth: 240, display: "block", margin: "auto" }}>
      {slices.filter((slice) => slice.value > 0).map((slice) => {
        const from = at;
        at += slice.value / total;
        return (
          <path key={slice.name} d={arc(from, at)} fill={slice.colour} stroke="var(--mantine-color-body)" strokeWidth={0.012}>
            <title>{`${slice.name} ${(slice.value * 100).toFixed(2)} %`}</title>
          </path>
        );
      })}
    </svg>
  );
}

function arc(from: number, to: number): string {
  const point = (turn: number, radius: number): string =>
    `${(radius * Math.sin(2 * Math.PI * turn)).toFixed(4)} ${(-radius * Math.cos(2 * Math.PI * turn)).toFixed(4)}`;
  const end = Math.min(to, from + 0.99999);
  const large = end - from > 0.5 ? 1 : 0;
  return `M${point(from, 1)}A1 1 0 ${large} 1 ${point(end, 1)}L${point(end, 0.58)}A.58 .58 0 ${large} 0 ${point(from, 0.58)}Z`;
}

const PALETTE: Record<string, number> = { trend: 210, arbitrage: 150, mean_reversion: 30, market_making: 280, other: 0 };

/** A colour for a strategy: its family's hue, its place in the family's shade. */
export function colourOf(family: string, place: number, count: number): string {
  const hue = PALETTE[family] ?? 0;
  return `hsl(${hue} 55% ${38 + (34 * place) / Math.max(count - 1, 1)}%)`;
}
