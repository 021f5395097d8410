/** Lines over time. */
import { Group, Text } from "@mantine/core";
import type { PointerEvent } from "react";
import { Drawing } from "./frame";
import { bounds, gathered, scale, ticks, widthOf } from "./scale";

export interface Line {
  name: string;
  values: (number | null)[];
  colour: string;
  filled?: boolean;
  dashed?: boolean;
}

/** Something that happened at a position among the stamps. */
export interface Flag {
  words: string;
  /** Not as planned: it is marked so that it is seen. */
  loud: boolean;
}

interface LinesProps {
  label: string;
  lines: Line[];
  stamps: string[];
  height: number;
  format: (value: number) => string;
  flags?: Map<number, Flag>;
  /** A position the reader points at, shared between charts. */
  cursor: number | null;
  onCursor: (position: number | null) => void;
}

const TOP = 6;
const RIGHT = 8;
const BOTTOM = 20;
const FLAG_GAP = 7;

/** Lines over time, with a cursor shared between charts; several are named below. */
export function LineChart(props: LinesProps) {
  const { label, lines, stamps, height, format, cursor } = props;
  const at = cursor === null ? stamps.length - 1 : Math.min(cursor, stamps.length - 1);
  return (
    <>
      <Drawing label={label} height={height}>
        {(width) => <Plot {...props} width={width} />}
      </Drawing>
      {lines.length > 1 && (
        <Group style={{ gap: "2px 16px" }}>
          {lines.map((line) => (
            <Text key={line.name} size="xs" component="span" className="pair">
              <span aria-hidden style={{ borderTop: `2px ${line.dashed === true ? "dashed" : "solid"} ${line.colour}`, width: 16, alignSelf: "center" }} />
              {line.name} {say(line.values[at], format)}
            </Text>
          ))}
        </Group>
      )}
    </>
  );
}

function Plot({ lines, stamps, height, format, flags, cursor, onCursor, width }: LinesProps & { width: number }) {
  const known = lines.flatMap((line) => line.values).filter((v): v is number => v !== null);
  const reach = bounds(lines.some((line) => line.filled) ? [...known, 0] : known);
  const marks = ticks(...reach);
  const left = 10 + Math.max(0, ...marks.map((tick) => widthOf(format(tick))));
  const inner = height - BOTTOM;
  const x = scale([0, Math.max(stamps.length - 1, 1)], left, width - RIGHT);
  const y = scale(reach, inner - TOP, TOP);
  const move = (event: PointerEvent<SVGElement>): void => {
    const box = event.currentTarget.getBoundingClientRect();
    const part = (event.clientX - box.left) / box.width;
    onCursor(Math.min(Math.max(Math.round(part * (stamps.length - 1)), 0), stamps.length - 1));
  };
  return (
    <>
      {marks.map((tick) => (
        <g key={tick} fill="currentColor">
          <line x1={left} x2={width - RIGHT} y1={y(tick)} y2={y(tick)} stroke="currentColor" opacity={0.12} />
          <text x={left - 6} y={y(tick) + 3} textAnchor="end" fontSize={10} opacity={0.8}>
            {format(tick)}
          </text>
        </g>
      ))}
      {lines.map((line) => (
        <g key={line.name}>
          {line.filled === true && <path d={area(line.values, x, y, y(0))} fill={line.colour} fillOpacity={0.22} />}
          <path d={stroke(line.values, x, y)} fill="none" stroke={line.colour} strokeWidth={1.6} strokeDasharray={line.dashed === true ? "4 3" : undefined} />
        </g>
      ))}
      {flags !== undefined && <Flags flags={flags} x={x} y={inner} />}
      {dates(stamps, x, left, width).map(([position, anchor]) => (
        <text key={position} x={x(position)} y={height - 4} textAnchor={anchor} fontSize={10} fill="currentColor" opacity={0.8}>
          {stamps[position]?.slice(0, 10)}
        </text>
      ))}
      {cursor !== null && cursor < stamps.length && <Cursor at={x(cursor)} right={x(cursor) > width / 2} inner={inner} words={told(lines, stamps, cursor, format)} />}
      <rect x={left} y={0} width={Math.max(width - RIGHT - left, 0)} height={inner} fill="transparent" onPointerMove={move} onPointerLeave={() => onCursor(null)} />
    </>
  );
}

/** What was planned is a fine tick; what was not is a mark. Those that would touch become one. */
function Flags({ flags, x, y }: { flags: Map<number, Flag>; x: (position: number) => number; y: number }) {
  const drawn = (loud: boolean) =>
    [...gathered([...flags].filter(([, flag]) => flag.loud === loud).map(([position]) => position), x, loud ? FLAG_GAP : 1)].map(([first, all]) => {
      const words = all.length === 1 ? flags.get(first)?.words : `${flags.get(first)?.words}, and ${all.length - 1} more`;
      return loud ? (
        <path key={first} d={`M${x(first)} ${y - 4} l-3.5 7 h7 z`} fill="var(--mantine-color-orange-6)">
          <title>{words}</title>
        </path>
      ) : (
        <line key={first} x1={x(first)} x2={x(first)} y1={y - 1} y2={y + 3} stroke="currentColor" opacity={0.35}>
          <title>{words}</title>
        </line>
      );
    });
  return (
    <>
      {drawn(false)}
      {drawn(true)}
    </>
  );
}

function Cursor({ at, right, inner, words }: { at: number; right: boolean; inner: number; words: string }) {
  return (
    <g pointerEvents="none">
      <line x1={at} x2={at} y1={4} y2={inner} stroke="currentColor" opacity={0.5} />
      <text x={right ? at - 6 : at + 6} y={14} fontSize={11} fill="currentColor" textAnchor={right ? "end" : "start"}>
        {words}
      </text>
    </g>
  );
}

const say = (value: number | null | undefined, format: (v: number) => string): string =>
  value === null || value === undefined ? "–" : format(value);

/** What the cursor tells: the day, and the value where there is but one line. */
function told(lines: Line[], stamps: string[], cursor: number, format: (v: number) => string): string {
  const day = stamps[cursor]?.slice(0, 10) ?? "";
  return lines.length === 1 ? `${day}  ${say(lines[0]?.values[cursor], format)}` : day;
}

/** Which stamps are written: the first, the last, and those between that have room. */
function dates(stamps: string[], x: (i: number) => number, left: number, width: number): [number, "start" | "middle" | "end"][] {
  const last = stamps.length - 1;
  if (last < 1) return [];
  const between = Math.max(0, Math.floor((width - RIGHT - left) / 150) - 1);
  const middle = Array.from({ length: between }, (_, i): [number, "middle"] => [Math.round(((i + 1) * last) / (between + 1)), "middle"]);
  return [[0, "start"], ...middle.filter(([position]) => position > 0 && position < last && x(position) > left), [last, "end"]];
}

function stroke(values: (number | null)[], x: (i: number) => number, y: (v: number) => number): string {
  let [path, pen] = ["", false];
  values.forEach((value, i) => {
    if (value !== null) path += `${pen ? "L" : "M"}${x(i).toFixed(1)} ${y(value).toFixed(1)}`;
    pen = value !== null;
  });
  return path;
}

function area(values: (number | null)[], x: (i: number) => number, y: (v: number) => number, floor: number): string {
  const known = values.flatMap((value, i) => (value === null ? [] : [`${x(i).toFixed(1)} ${y(value).toFixed(1)}`]));
  const first = values.findIndex((value) => value !== null);
  const last = values.findLastIndex((value) => value !== null);
  return first < 0 ? "" : `M${x(first).toFixed(1)} ${floor}L${known.join("L")}L${x(last).toFixed(1)} ${floor}Z`;
}
