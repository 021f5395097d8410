/** Where the risk sits, and how the strategies move together. */
import { Stack, Text, Title } from "@mantine/core";
import { useMemo } from "react";
import { useCovariance, useWeights } from "../api/queries";
import type { PageProps } from "../app";
import { ChartFrame } from "../ui/charts";
import { Ready } from "../ui/states";
import { change, figure, share } from "../units/format";
import { clusterOrder, correlationsOf, riskShares } from "./risk-figures";

export default function Risk({ portfolio }: PageProps) {
  const covariance = useCovariance(portfolio);
  const weights = useWeights(portfolio);
  return (
    <Stack gap="lg">
      <Title order={2} size="h4">
        Risk
      </Title>
      <Ready of={covariance}>
        {(data) => {
          const record = data.covariance;
          if (record?.matrix_annual === undefined || record.matrix_annual === null) return <Text>No covariance is published yet: too few common bars.</Text>;
          const held = new Map(weights.data?.strategies.map((s) => [s.strategy_id, s.held]));
          const chosen = record.strategies.map((name) => held.get(name) ?? 0);
          return (
            <>
              <Contributions names={record.strategies} weights={chosen} matrix={record.matrix_annual} />
              <Heatmap names={record.strategies} matrix={record.matrix_annual} average={data.summary?.average_correlation ?? null} />
            </>
          );
        }}
      </Ready>
    </Stack>
  );
}

interface MatrixProps {
  names: readonly string[];
  matrix: number[][];
}

function Contributions({ names, weights, matrix }: MatrixProps & { weights: number[] }) {
  const shares = riskShares(weights, matrix);
  const rows = names
    .map((name, i) => ({ name, weight: weights[i] ?? 0, risk: shares[i] ?? 0 }))
    .filter((row) => row.weight !== 0)
    .sort((a, b) => b.risk - a.risk);
  const widest = Math.max(...rows.flatMap((row) => [row.weight, row.risk]), 1e-9);
  const line = 22;
  return (
    <ChartFrame
      title="Risk contribution beside weight"
      summary={`${rows[0]?.name ?? "Nobody"} brings ${share(rows[0]?.risk)} of the variance with ${share(rows[0]?.weight)} of the weight.`}
      columns={["Strategy", "Weight", "Share of variance", "More than its weight"]}
      rows={() => rows.map((row) => [row.name, share(row.weight), share(row.risk), change(row.risk - row.weight)])}
    >
      <svg role="img" aria-label="Risk contribution beside weight, by strategy" viewBox={`0 0 720 ${rows.length * line + 4}`} width="100%">
        {rows.map((row, i) => (
          <g key={row.name} transform={`translate(0 ${i * line})`} fill="currentColor">
            <text x={190} y={14} fontSize={11} textAnchor="end">
              {row.name}
            </text>
            <rect x={196} y={3} height={7} width={Math.max((470 * row.weight) / widest, 0)} opacity={0.35} />
            <rect x={196} y={11} height={7} width={Math.max((470 * row.risk) / widest, 0)} fill="var(--mantine-color-red-6)" />
          </g>
        ))}
      </svg>
    </ChartFrame>
  );
}

function Heatmap({ names, matrix, average }: MatrixProps & { average: number | null }) {
  const correlations = useMemo(() => correlationsOf(matrix), [matrix]);
  const order = useMemo(() => clusterOrder(correlations), [correlations]);
  const cell = 480 / Math.max(order.length, 1);
  return (
    <ChartFrame
      title="Correlation, clustered"
      summary={`Average pairwise correlation ${figure(average, 3)}. Red moves together, blue against each other.`}
      columns={["", ...order.map((i) => names[i] ?? "")]}
      rows={() => order.map((i) => [names[i] ?? "", ...order.map((j) => figure(correlations[i]?.[j], 2))])}
    >
      <svg role="img" aria-label="Correlation between strategies, clustered" viewBox="0 0 680 490" width="100%">
        {order.map((i, row) => (
          <g key={i}>
            <text x={190} y={row * cell + cell * 0.7} fontSize={Math.min(11, cell)} textAnchor="end" fill="currentColor">
              {names[i]}
            </text>
            {order.map((j, column) => {
              const rho = correlations[i]?.[j] ?? 0;
              return (
                <rect key={j} x={196 + column * cell} y={row * cell} width={cell} height={cell} fill={rho >= 0 ? "var(--mantine-color-red-7)" : "var(--mantine-color-blue-7)"} fillOpacity={Math.abs(rho)}>
                  <title>{`${names[i]} and ${names[j]}: ${rho.toFixed(3)}`}</title>
                </rect>
              );
            })}
          </g>
        ))}
      </svg>
    </ChartFrame>
  );
}
