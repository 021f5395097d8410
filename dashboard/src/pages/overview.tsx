/** What is held, how it does, and when the mix is looked at next. */
import { Card, Grid, Group, Progress, SimpleGrid, Stack, Switch, Table, Text, Title } from "@mantine/core";
import { useMemo, useState } from "react";
import { useSearchParams } from "react-router";
import type { Schemas } from "../api/client";
import { useHistory, usePerformance, useWeights } from "../api/queries";
import type { PageProps } from "../app";
import { ChartFrame, colourOf, Donut, LineChart, type Line, type Slice } from "../ui/charts";
import { Ready } from "../ui/states";
import { change, figure, instant, share, triggerWords } from "../units/format";

export function Overview({ portfolio }: PageProps) {
  const performance = usePerformance(portfolio);
  const weights = useWeights(portfolio);
  return (
    <Stack gap="lg">
      <Ready of={performance}>{(data) => <Headline performance={data} />}</Ready>
      <Ready of={performance}>{(data) => <Curves portfolio={portfolio} performance={data} />}</Ready>
      <Ready of={weights}>{(data) => <Holdings weights={data} />}</Ready>
    </Stack>
  );
}

function Headline({ performance }: { performance: Schemas["Performance"] }) {
  const longest = performance.rolling.at(-1);
  const rows: [string, string, string][] = [
    ["NAV", figure(performance.nav, 4), "net, 1 before the first bar"],
    ["Sharpe", sharpeWords(longest), `last ${longest?.n_obs ?? 0} bars, ± its standard error`],
    ["Volatility", share(longest?.volatility_annual), "a year"],
    ["Drawdown", share(performance.drawdown), "from the high"],
    ["Max drawdown", share(performance.max_drawdown), `over ${performance.bars} bars`],
  ];
  return (
    <SimpleGrid cols={{ base: 2, sm: 3, lg: 5 }}>
      {rows.map(([name, value, note]) => (
        <Card key={name} withBorder padding="sm">
          <Text size="xs" c="dimmed">
            {name}
          </Text>
          <Text fw={600} size="xl" style={{ fontVariantNumeric: "tabular-nums" }} data-testid={`headline-${name}`}>
            {value}
          </Text>
          <Text size="xs" c="dimmed">
            {note}
          </Text>
        </Card>
      ))}
    </SimpleGrid>
  );
}

/** The Sharpe ratio with its standard error, where the engine publishes one. */
export function sharpeWords(rolling: Schemas["RollingPerformance"] | undefined): string {
  if (rolling === undefined || rolling.sharpe === null) return "–";
  const error = (rolling as { sharpe_standard_error?: number | null }).sharpe_standard_error;
  return error === undefined || error === null ? figure(rolling.sharpe) : `${figure(rolling.sharpe)} ± ${figure(error)}`;
}

function Curves({ portfolio, performance }: PageProps & { performance: Schemas["Performance"] }) {
  const [search, setSearch] = useSearchParams();
  const [cursor, setCursor] = useState<number | null>(null);
  const decisions = useHistory(portfolio, { outcome: "accepted", limit: 200 });
  const log = search.get("scale") === "log";
  const { points } = performance;
  const stamps = useMemo(() => points.map((p) => p.bar_end), [points]);
  const flags = useMemo(() => {
    const at = new Map(stamps.map((stamp, i) => [stamp, i]));
    const found = new Map<number, string>();
    for (const item of decisions.data?.items ?? []) {
      const position = at.get(item.bar_end);
      if (position !== undefined) found.set(position, `${instant(item.bar_end)}: ${triggerWords(item.trigger)}`);
    }
    return found;
  }, [stamps, decisions.data]);
  const nav: Line = { name: "NAV", colour: "var(--mantine-color-blue-6)", values: points.map((p) => (log ? Math.log(Math.max(p.nav, 1e-12)) : p.nav)) };
  const depth: Line = { name: "drawdown", colour: "var(--mantine-color-red-6)", filled: true, values: points.map((p) => p.drawdown) };
  const rows = () => points.map((p) => [instant(p.bar_end), figure(p.nav, 6), change(p.return_net), share(p.drawdown)]).reverse();
  const newest = points.at(-1);
  return (
    <Stack gap="xs">
      <Group justify="flex-end">
        <Switch
          size="xs"
          label="Log scale"
          checked={log}
          onChange={(event) => {
            const next = new URLSearchParams(search);
            if (event.currentTarget.checked) next.set("scale", "log");
            else next.delete("scale");
            setSearch(next, { replace: true });
          }}
        />
      </Group>
      <ChartFrame
        title="Net asset value"
        summary={`From ${instant(stamps[0])} to ${instant(stamps.at(-1))}: ${figure(newest?.nav, 4)}. Orange marks are rebalances.`}
        columns={["Bar", "NAV", "Net return", "Drawdown"]}
        rows={rows}
      >
        <LineChart label="Net asset value over time" lines={[nav]} stamps={stamps} height={220} flags={flags} cursor={cursor} onCursor={setCursor} format={(v) => figure(log ? Math.exp(v) : v, 3)} />
      </ChartFrame>
      <ChartFrame title="Drawdown" summary={`Now ${share(newest?.drawdown)}, at the deepest ${share(performance.max_drawdown)}.`} columns={["Bar", "NAV", "Net return", "Drawdown"]} rows={rows}>
        <LineChart label="Drawdown over time" lines={[depth]} stamps={stamps} height={120} cursor={cursor} onCursor={setCursor} format={(v) => share(v)} />
      </ChartFrame>
    </Stack>
  );
}

function Holdings({ weights }: { weights: Schemas["Weights"] }) {
  const held = [...weights.strategies].filter((s) => s.held !== 0 || s.target !== 0).sort((a, b) => b.held - a.held);
  const slices: Slice[] = held.map((s, i) => ({ name: s.strategy_id, value: s.held, colour: colourOf(s.family, i, held.length) }));
  if (weights.cash.held > 0) slices.push({ name: "cash", value: weights.cash.held, colour: "var(--mantine-color-gray-5)" });
  const rows = () => held.map((s) => [s.strategy_id, s.family, share(s.target), share(s.held), change(s.drift)]);
  return (
    <Grid>
      <Grid.Col span={{ base: 12, md: 4 }}>
        <ChartFrame title="Held weights" summary={`${held.length} strategies; the largest is ${held[0]?.strategy_id ?? "none"}.`} columns={["Strategy", "Family", "Target", "Held", "Drift"]} rows={rows}>
          <Donut label="Held weights by strategy" slices={slices} />
        </ChartFrame>
        <Gauge weights={weights} />
      </Grid.Col>
      <Grid.Col span={{ base: 12, md: 8 }}>
        <Title order={2} size="h5" mb={4}>
          Target and held
        </Title>
        <Table.ScrollContainer minWidth={420}>
          <Table data-testid="weights" verticalSpacing={2}>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>Strategy</Table.Th>
                <Table.Th ta="right">Target</Table.Th>
                <Table.Th ta="right">Held</Table.Th>
                <Table.Th ta="right">Drift</Table.Th>
                <Table.Th ta="right">Contribution</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody style={{ fontVariantNumeric: "tabular-nums" }}>
              {held.map((s, i) => (
                <Table.Tr key={s.strategy_id}>
                  <Table.Td>
                    <span aria-hidden style={{ display: "inline-block", width: 10, height: 10, marginRight: 6, background: colourOf(s.family, i, held.length) }} />
                    {s.strategy_id}
                  </Table.Td>
                  <Table.Td ta="right">{share(s.target)}</Table.Td>
                  <Table.Td ta="right">{share(s.held)}</Table.Td>
                  <Table.Td ta="right">{change(s.drift)}</Table.Td>
                  <Table.Td ta="right">{change(s.contribution)}</Table.Td>
                </Table.Tr>
              ))}
              <Table.Tr>
                <Table.Td>cash</Table.Td>
                <Table.Td ta="right">{share(weights.cash.target)}</Table.Td>
                <Table.Td ta="right">{share(weights.cash.held)}</Table.Td>
                <Table.Td ta="right">{change(weights.cash.held - weights.cash.target)}</Table.Td>
                <Table.Td ta="right">–</Table.Td>
              </Table.Tr>
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      </Grid.Col>
    </Grid>
  );
}

/** How near the largest drift is to the one that makes the mix be looked at. */
function Gauge({ weights }: { weights: Schemas["Weights"] }) {
  if (weights.drift_limit === null) return null;
  const part = Math.min(100, (100 * weights.drift) / weights.drift_limit);
  return (
    <Stack gap={2} mt="sm">
      <Text size="sm">
        Largest drift {share(weights.drift)} of the {share(weights.drift_limit)} that trigger a look
      </Text>
      <Progress value={part} aria-label="Largest drift, as a part of its limit" color={part > 80 ? "orange" : "blue"} />
    </Stack>
  );
}
