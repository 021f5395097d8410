/** Where the risk sits, how the strategies move together, and how bad it has been. */
import { Button, Group, SimpleGrid, Stack, Text, Title } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { useMemo, useState } from "react";
import type { Schemas } from "../api/client";
import { useCovariance, useCovarianceAt, usePerformance, useWeights } from "../api/queries";
import { useSearch } from "../api/search";
import type { PageProps } from "../app";
import { ChartFrame, Drawing } from "../ui/frame";
import { widthOf } from "../ui/scale";
import { Ready } from "../ui/states";
import { Figures, Name, type Column } from "../ui/table";
import { change, figure, instant, share } from "../units/format";
import { clusterOrder, correlationsOf, drawdownsOf, riskShares, tailsOf } from "./risk-figures";

export default function Risk({ portfolio }: PageProps) {
  const performance = usePerformance(portfolio);
  return (
    <Stack gap="lg">
      <Title order={2} size="h4">
        Risk
      </Title>
      <Ready of={useCovariance(portfolio)}>{(data) => <Contributions portfolio={portfolio} covariance={data} />}</Ready>
      <Ready of={performance}>
        {(data) => (
          <>
            <Correlations portfolio={portfolio} bars={data.points.map((point) => point.bar_end)} />
            <SimpleGrid cols={{ base: 1, md: 2 }}>
              <Drawdowns performance={data} />
              <Tails performance={data} />
            </SimpleGrid>
          </>
        )}
      </Ready>
    </Stack>
  );
}

const NOT_YET = "No covariance is published yet: too few common bars.";
const CONTRIBUTION_COLUMNS: Column[] = [
  { name: "Strategy" },
  { name: "Weight", right: true },
  { name: "Share of variance", right: true },
  { name: "More than its weight", right: true, wide: true },
];
const BAR = 22;

function Contributions({ portfolio, covariance }: PageProps & { covariance: Schemas["Covariance"] }) {
  const weights = useWeights(portfolio).data;
  const record = covariance.covariance;
  if (record?.matrix_annual === undefined || record.matrix_annual === null) return <Text>{NOT_YET}</Text>;
  const held = new Map(weights?.strategies.map((s) => [s.strategy_id, s.held]));
  const chosen = record.strategies.map((name) => held.get(name) ?? 0);
  const shares = riskShares(chosen, record.matrix_annual);
  const rows = record.strategies
    .map((name, i) => ({ name, weight: chosen[i] ?? 0, risk: shares[i] ?? 0 }))
    .filter((row) => row.weight !== 0)
    .sort((a, b) => b.risk - a.risk);
  const widest = Math.max(...rows.flatMap((row) => [row.weight, row.risk]), 1e-9);
  const left = nameWidth(rows.map((row) => row.name));
  return (
    <ChartFrame
      title="Risk contribution beside weight"
      summary={`Grey is weight, red is the share of the variance: ${rows[0]?.name ?? "nobody"} brings ${share(rows[0]?.risk)} of it with ${share(rows[0]?.weight)} of the weight.`}
      columns={CONTRIBUTION_COLUMNS}
      rows={() => rows.map((row) => ({ key: row.name, cells: [<Name>{row.name}</Name>, share(row.weight), share(row.risk), change(row.risk - row.weight)] }))}
    >
      <Drawing label="Risk contribution beside weight, by strategy" height={rows.length * BAR + 4}>
        {(width) =>
          rows.map((row, i) => (
            <g key={row.name} transform={`translate(0 ${i * BAR})`} fill="currentColor">
              <text x={left - 6} y={14} fontSize={11} textAnchor="end">
                {row.name}
              </text>
              <rect x={left} y={3} height={7} width={Math.max(((width - left) * row.weight) / widest, 0)} opacity={0.35} />
              <rect x={left} y={11} height={7} width={Math.max(((width - left) * row.risk) / widest, 0)} fill="var(--mantine-color-red-6)" />
            </g>
          ))
        }
      </Drawing>
    </ChartFrame>
  );
}

/** Room for the longest of some names, at 11 px. */
const nameWidth = (names: readonly string[]): number => 10 + Math.max(40, ...names.map((name) => widthOf(name)));

function Correlations({ portfolio, bars }: PageProps & { bars: string[] }) {
  const [search, setSearch] = useSearch();
  const asked = search.get("at");
  const found = useCovarianceAt(portfolio, asked);
  return (
    <Stack gap="xs">
      <Ready of={found}>
        {({ covariance, summary }) =>
          covariance?.matrix_annual === undefined || covariance.matrix_annual === null ? (
            <Text>{asked === null ? NOT_YET : "No covariance was published that early."}</Text>
          ) : (
            <Heatmap names={covariance.strategies} matrix={covariance.matrix_annual} bar={covariance.bar_end} average={(asked === null ? summary : covariance)?.average_correlation ?? null} />
          )
        }
      </Ready>
      <TimeSlider bars={bars} asked={asked} onAsk={(bar) => setSearch({ at: bar }, "silent")} />
    </Stack>
  );
}

/** Back in time: the covariance that was known at a bar. At its right end it follows the newest. */
function TimeSlider({ bars, asked, onAsk }: { bars: string[]; asked: string | null; onAsk: (bar: string | null) => void }) {
  const last = bars.length - 1;
  const place = asked === null ? last : Math.max(0, bars.findLastIndex((bar) => bar <= asked));
  const [dragged, setDragged] = useState<number | null>(null);
  const settle = useDebouncedCallback((position: number) => {
    onAsk(position >= last ? null : (bars[position] ?? null));
    setDragged(null);
  }, 150);
  const shown = dragged ?? place;
  const words = shown >= last ? "the newest" : instant(bars[shown]);
  return (
    <Group gap="sm" wrap="nowrap">
      <input
        type="range"
        style={{ flex: 1, minWidth: 0 }}
        min={0}
        max={last}
        value={shown}
        aria-label="Bar of the correlations"
        aria-valuetext={words}
        onChange={(event) => {
          setDragged(Number(event.currentTarget.value));
          settle(Number(event.currentTarget.value));
        }}
      />
      <Text size="xs" className="figures" w={84} ta="right">
        {words}
      </Text>
      <Button size="compact-xs" variant="default" disabled={asked === null} onClick={() => onAsk(null)}>
        Newest
      </Button>
    </Group>
  );
}

interface HeatmapProps {
  names: readonly string[];
  matrix: number[][];
  bar: string;
  average: number | null;
}

function Heatmap({ names, matrix, bar, average }: HeatmapProps) {
  const correlations = useMemo(() => correlationsOf(matrix), [matrix]);
  const order = useMemo(() => clusterOrder(correlations), [correlations]);
  const left = nameWidth(names);
  const line = Math.max(13, Math.min(22, 480 / Math.max(order.length, 1)));
  return (
    <ChartFrame
      title="Correlation, clustered"
      summary={`Of the bar ending ${instant(bar)}; average pairwise correlation ${figure(average, 3)}. Red moves together, blue against each other.`}
      columns={[{ name: "Strategy" }, ...order.map((i) => ({ name: names[i] ?? "", right: true }))]}
      rows={() => order.map((i) => ({ key: names[i] ?? "", cells: [<Name>{names[i] ?? ""}</Name>, ...order.map((j) => figure(correlations[i]?.[j], 2))] }))}
    >
      <Drawing label="Correlation between strategies, clustered" height={order.length * line + 4}>
        {(width) => {
          const cell = Math.min((width - left) / Math.max(order.length, 1), 2 * line);
          return order.map((i, row) => (
            <g key={i}>
              <text x={left - 6} y={row * line + line / 2 + 4} fontSize={11} textAnchor="end" fill="currentColor">
                {names[i]}
              </text>
              {order.map((j, column) => {
                const rho = correlations[i]?.[j] ?? 0;
                return (
                  <rect key={j} x={left + column * cell} y={row * line} width={cell} height={line} fill={rho >= 0 ? "var(--mantine-color-red-7)" : "var(--mantine-color-blue-7)"} fillOpacity={Math.abs(rho)}>
                    <title>{`${names[i]} and ${names[j]}: ${rho.toFixed(3)}`}</title>
                  </rect>
                );
              })}
            </g>
          ));
        }}
      </Drawing>
    </ChartFrame>
  );
}

const DRAWDOWN_COLUMNS: Column[] = [{ name: "From" }, { name: "Deepest" }, { name: "Until" }, { name: "Depth", right: true }, { name: "Bars", right: true }];

/** Which bars a figure of the past is made from. */
const basis = ({ bars, points }: Schemas["Performance"]): string => (bars === points.length ? `all ${bars} bars` : `${points.length} of ${bars} bars`);

function Drawdowns({ performance }: { performance: Schemas["Performance"] }) {
  return (
    <div>
      <Title order={2} size="h5">
        Deepest drawdowns
      </Title>
      <Text size="xs" c="dimmed" mb={4}>
        Net, from {basis(performance)}.
      </Text>
      <Figures
        label="Deepest drawdowns"
        columns={DRAWDOWN_COLUMNS}
        rows={drawdownsOf(performance.points, 5).map((d) => ({ key: d.from, cells: [instant(d.from), instant(d.deepest), d.to === null ? "not yet" : instant(d.to), share(d.depth), d.bars] }))}
      />
    </div>
  );
}

const TAIL_COLUMNS: Column[] = [{ name: "Level" }, { name: "Value at risk", right: true }, { name: "Expected shortfall", right: true }];

function Tails({ performance }: { performance: Schemas["Performance"] }) {
  const invested = performance.points.filter((point) => point.status !== "warming_up").map((point) => point.return_net);
  return (
    <div>
      <Title order={2} size="h5">
        Tails of a bar
      </Title>
      <Text size="xs" c="dimmed" mb={4}>
        Historical losses, net, from {invested.length} bars after the first build.
      </Text>
      <Figures
        label="Tails of a bar"
        columns={TAIL_COLUMNS}
        rows={tailsOf(invested, [0.95, 0.99]).map((tail) => ({ key: String(tail.level), cells: [share(tail.level, 1), share(tail.valueAtRisk), share(tail.expectedShortfall)] }))}
      />
    </div>
  );
}
