/** Charts in SVG, drawn by us; each has a name, a summary in words and a table behind it. */
import { Button, Group, ScrollArea, Table, Text, Title } from "@mantine/core";
import { useId, useState, type ReactNode } from "react";

export interface Line {
  name: string;
  values: (number | null)[];
  colour: string;
  filled?: boolean;
}

interface FrameProps {
  title: string;
  summary: string;
  columns: string[];
  rows: () => ReactNode[][];
  children: ReactNode;
}

/** A titled chart with "view as table" behind it. */
export function ChartFrame({ title, summary, columns, rows, children }: FrameProps) {
  const [asTable, setAsTable] = useState(false);
  const id = useId();
  return (
    <section aria-labelledby={id}>
      <Group justify="space-between" mb={4}>
        <Title order={2} size="h5" id={id}>
          {title}
        </Title>
        <Button variant="subtle" size="compact-xs" onClick={() => setAsTable(!asTable)} aria-pressed={asTable}>
          {asTable ? "View as chart" : "View as table"}
        </Button>
      </Group>
      {asTable ? (
        <ScrollArea h={260} viewportProps={{ tabIndex: 0, "aria-label": `${title}, table` }}>
          <Table stickyHeader>
            <Table.Thead>
              <Table.Tr>{columns.map((name) => <Table.Th key={name}>{name}</Table.Th>)}</Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {rows().map((cells, row) => (
                <Table.Tr key={row}>{cells.map((cell, i) => <Table.Td key={i}>{cell}</Table.Td>)}</Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </ScrollArea>
      ) : (
        <figure style={{ margin: 0 }}>
          {children}
          <Text component="figcaption" size="xs" c="dimmed">
            {summary}
          </Text>
        </figure>
      )}
    </section>
  );
}

const WIDTH = 720;
const LEFT = 52;
const BOTTOM = 20;

interface LinesProps {
  label: string;
  lines: Line[];
  stamps: string[];
  height: number;
  format: (value: number) => string;
  /** Positions among the stamps that are marked, with what to say of each. */
  flags?: Map<number, string>;
  /** A position the reader points at, shared between charts. */
  cursor: number | null;
  onCursor: (position: number | null) => void;
}

/** Lines over time, with a cursor shared between charts. */
export function LineChart({ label, lines, stamps, height, format, flags, cursor, onCursor }: LinesProps) {
  const known = lines.flatMap((line) => line.values).filter((v): v is number => v !== null);
  const [low, high] = bounds(known, lines.some((line) => line.filled));
  const inner = height - BOTTOM;
  const x = (i: number): number => LEFT + ((WIDTH - LEFT - 8) * i) / Math.max(stamps.length - 1, 1);
  const y = (v: number): number => 6 + ((high - v) / (high - low || 1)) * (inner - 12);
  const move = (event: React.PointerEvent<SVGSVGElement>): void => {
    const box = event.currentTarget.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width) * WIDTH;
    const position = Math.round(((at - LEFT) / (WIDTH - LEFT - 8)) * (stamps.length - 1));
    onCursor(Math.min(Math.max(position, 0), stamps.length - 1));
  };
  return (
    <svg role="img" aria-label={label} viewBox={`0 0 ${WIDTH} ${height}`} width="100%" onPointerMove={move} onPointerLeave={() => onCursor(null)}>
      {ticks(low, high).map((tick) => (
        <g key={tick}>
          <line x1={LEFT} x2={WIDTH - 8} y1={y(tick)} y2={y(tick)} stroke="currentColor" opacity={0.12} />
          <text x={LEFT - 6} y={y(tick) + 3} textAnchor="end" fontSize={10} fill="currentColor" opacity={0.75}>
            {format(tick)}
          </text>
        </g>
      ))}
      {lines.map((line) => (
        <path
          key={line.name}
          d={pathOf(line.values, x, y, line.filled === true ? y(Math.min(high, 0)) : null)}
          fill={line.filled === true ? line.colour : "none"}
          fillOpacity={0.25}
          stroke={line.colour}
          strokeWidth={1.6}
        />
      ))}
      {[...(flags ?? [])].map(([position, words]) => (
        <path key={position} d={`M${x(position)} ${inner - 2} l-3 6 h6 z`} fill="var(--mantine-color-orange-6)">
          <title>{words}</title>
        </path>
      ))}
      {dates(stamps).map((position) => (
        <text key={position} x={x(position)} y={height - 3} textAnchor="middle" fontSize={10} fill="currentColor" opacity={0.75}>
          {stamps[position]?.slice(0, 10)}
        </text>
      ))}
      {cursor !== null && cursor < stamps.length && (
        <g pointerEvents="none">
          <line x1={x(cursor)} x2={x(cursor)} y1={4} y2={inner} stroke="currentColor" opacity={0.5} />
          <text x={x(cursor) > WIDTH / 2 ? x(cursor) - 6 : x(cursor) + 6} y={14} fontSize={11} fill="currentColor" textAnchor={x(cursor) > WIDTH / 2 ? "end" : "start"}>
            {stamps[cursor]?.slice(0, 10)} {lines.map((l) => `${l.name} ${say(l.values[cursor], format)}`).join("  ")}
          </text>
        </g>
      )}
    </svg>
  );
}

const say = (value: number | null | undefined, format: (v: number) => string): string =>
  value === null || value === undefined ? "–" : format(value);

function bounds(values: number[], zero: boolean): [number, number] {
  let low = zero ? 0 : Infinity;
  let high = zero ? 0 : -Infinity;
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return Number.isFinite(low) ? [low, high] : [0, 1];
}

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

function dates(stamps: string[]): number[] {
  if (stamps.length < 2) return [];
  return [0.12, 0.5, 0.88].map((part) => Math.round(part * (stamps.length - 1)));
}

function pathOf(values: (number | null)[], x: (i: number) => number, y: (v: number) => number, floor: number | null): string {
  let path = "";
  let pen = false;
  let first: number | null = null;
  let last = 0;
  values.forEach((value, i) => {
    if (value === null) {
      pen = false;
      return;
    }
    path += `${pen ? "L" : "M"}${x(i).toFixed(1)} ${y(value).toFixed(1)}`;
    pen = true;
    first ??= i;
    last = i;
  });
  return floor === null || first === null ? path : `${path}L${x(last).toFixed(1)} ${floor}L${x(first).toFixed(1)} ${floor}Z`;
}

export interface Slice {
  name: string;
  value: number;
  colour: string;
}

/** A ring of shares. */
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
