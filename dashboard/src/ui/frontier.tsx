/** What return each volatility can buy within the limits, and where the mixes stand. */
import { Alert, Text } from "@mantine/core";
import type { Schemas } from "../api/client";
import { figure, instant, share } from "../units/format";
import { plain } from "../units/words";
import { ChartFrame, Drawing } from "./frame";
import { bounds, scale, ticks, widthOf } from "./scale";
import type { Column } from "./table";

type Frontier = Schemas["Frontier"];
type Place = { return_annual: number; volatility_annual: number };

const COLUMNS: Column[] = [{ name: "Mix" }, { name: "Volatility", right: true }, { name: "Return", right: true }, { name: "Sharpe", right: true }, { name: "Limits" }];
const COLOURS: Record<string, string> = { held: "var(--mantine-color-grape-6)", target: "var(--mantine-color-red-6)", optimum: "var(--mantine-color-green-7)", equal_weight: "var(--mantine-color-orange-7)" };
const HEIGHT = 260;
const [TOP, RIGHT, BOTTOM] = [10, 14, 34];

/** The frontier as a line, mixes of the whole portfolio as named dots, strategies alone as small ones. */
export function FrontierChart({ frontier }: { frontier: Frontier }) {
  if (frontier.outcome !== "solved") {
    return (
      <Alert color="yellow" title="There is no frontier to show">
        {plain(frontier.outcome)}
        {frontier.reason ? `: ${frontier.reason}` : ""}
      </Alert>
    );
  }
  const mixes = frontier.marks.filter((mark) => mark.kind !== "strategy");
  const rows = () => [
    ...frontier.marks.map((mark) => ({ key: `mark ${mark.name}`, cells: [mark.name, share(mark.volatility_annual), share(mark.return_annual), figure(mark.sharpe), mark.within ? "kept" : "broken"] })),
    ...frontier.points.map((point, i) => ({ key: `point ${i}`, cells: [pointName(frontier, i), share(point.volatility_annual), share(point.return_annual), figure(point.sharpe), "kept"] })),
  ];
  return (
    <ChartFrame
      title="Efficient frontier"
      summary={`At the bar ending ${instant(frontier.bar_end)}, ex ante and within the limits. Small dots are strategies alone; those far outside are in the table.`}
      columns={COLUMNS}
      rows={rows}
    >
      <Drawing label="Return against volatility of the efficient mixes, of those held and ordered, and of each strategy" height={HEIGHT}>
        {(width) => <Plot frontier={frontier} mixes={mixes} width={width} />}
      </Drawing>
      {mixes.map((mark) => (
        <Text key={mark.name} size="xs" component="span" className="pair" mr="md">
          <span aria-hidden style={{ background: COLOURS[mark.kind], borderRadius: 5, width: 10, height: 10, alignSelf: "center" }} />
          {plain(mark.name)}: {share(mark.volatility_annual)} for {share(mark.return_annual)}
          {mark.within ? "" : ", outside the limits"}
        </Text>
      ))}
    </ChartFrame>
  );
}

function pointName(frontier: Frontier, i: number): string {
  const names = [i === frontier.knee ? "knee" : "", i === frontier.tangency ? "best Sharpe" : ""].filter((name) => name !== "");
  return `frontier ${i + 1}${names.length > 0 ? ` (${names.join(", ")})` : ""}`;
}

/** The reach of the efficient mixes and the named ones, with some room; strategies do not stretch it. */
function reach(places: Place[], of: (place: Place) => number): [number, number] {
  const [low, high] = bounds(places.map(of));
  const room = 0.12 * (high - low || Math.abs(high) || 0.01);
  return [low - room, high + room];
}

function Plot({ frontier, mixes, width }: { frontier: Frontier; mixes: Frontier["marks"]; width: number }) {
  const places: Place[] = [...frontier.points, ...mixes];
  const [across, up] = [reach(places, (p) => p.volatility_annual), reach(places, (p) => p.return_annual)];
  const [marksX, marksY] = [ticks(...across), ticks(...up)];
  const left = 10 + Math.max(...marksY.map((tick) => widthOf(share(tick, 1))));
  const x = scale(across, left, width - RIGHT);
  const y = scale(up, HEIGHT - BOTTOM, TOP);
  const inside = (p: Place): boolean => p.volatility_annual >= across[0] && p.volatility_annual <= across[1] && p.return_annual >= up[0] && p.return_annual <= up[1];
  const dots = frontier.marks.filter((mark) => mark.kind === "strategy" && inside(mark));
  const room = Math.max(1, Math.ceil((marksX.length * 52) / Math.max(width - left - RIGHT, 1)));
  return (
    <g fill="currentColor" fontSize={10}>
      {marksY.map((tick) => (
        <g key={tick}>
          <line x1={left} x2={width - RIGHT} y1={y(tick)} y2={y(tick)} stroke="currentColor" opacity={0.12} />
          <text x={left - 6} y={y(tick) + 3} textAnchor="end" opacity={0.8}>
            {share(tick, 1)}
          </text>
        </g>
      ))}
      {marksX.filter((_, i) => i % room === 0).map((tick) => (
        <text key={tick} x={x(tick)} y={HEIGHT - BOTTOM + 14} textAnchor="middle" opacity={0.8}>
          {share(tick, 1)}
        </text>
      ))}
      <text x={(left + width - RIGHT) / 2} y={HEIGHT - 4} textAnchor="middle" opacity={0.8}>
        volatility a year; upwards, return a year
      </text>
      <path d={`M${frontier.points.map((p) => `${x(p.volatility_annual).toFixed(1)} ${y(p.return_annual).toFixed(1)}`).join("L")}`} fill="none" stroke="var(--mantine-color-blue-6)" strokeWidth={2} />
      {dots.map((mark) => (
        <circle key={mark.name} cx={x(mark.volatility_annual)} cy={y(mark.return_annual)} r={2.5} opacity={0.5}>
          <title>{mark.name}</title>
        </circle>
      ))}
      {mixes.map((mark) => (
        // What is held often lies under what would be: a ring around it.
        <circle key={mark.name} cx={x(mark.volatility_annual)} cy={y(mark.return_annual)} {...(mark.kind === "held" ? { r: 8, fill: "none", stroke: COLOURS["held"], strokeWidth: 2 } : { r: 4.5, fill: COLOURS[mark.kind], stroke: "var(--mantine-color-body)" })}>
          <title>{`${mark.name}: ${share(mark.volatility_annual)} for ${share(mark.return_annual)}`}</title>
        </circle>
      ))}
    </g>
  );
}
