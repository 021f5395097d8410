/** What is held, how it does, and when the mix is looked at next. */
import { Anchor, Card, Grid, Group, Progress, SimpleGrid, Stack, Switch, Text, Title } from "@mantine/core";
import { useMemo, useState } from "react";
import { Link } from "react-router";
import type { Schemas } from "../api/client";
import { useHistory, useOptimization, usePerformance, useShadows, useWeights } from "../api/queries";
import { useSearch } from "../api/search";
import type { PageProps } from "../app";
import { colourOf, Donut, type Slice } from "../ui/donut";
import { ChartFrame } from "../ui/frame";
import { LineChart, type Flag, type Line } from "../ui/lines";
import { Ready } from "../ui/states";
import { Figures, Name, type Column } from "../ui/table";
import { change, figure, instant, share } from "../units/format";
import { triggerWords } from "../units/words";

export function Overview({ portfolio }: PageProps) {
  const performance = usePerformance(portfolio);
  const weights = useWeights(portfolio);
  return (
    <Stack gap="lg">
      <Ready of={performance}>
        {(data) => (
          <>
            <Headline performance={data} />
            <Curves portfolio={portfolio} performance={data} />
          </>
        )}
      </Ready>
      <Ready of={weights}>{(data) => <Holdings portfolio={portfolio} weights={data} />}</Ready>
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
    <SimpleGrid cols={{ base: 2, sm: 3, lg: 5 }} spacing="sm">
      {rows.map(([name, value, note]) => (
        <Card key={name} withBorder padding="sm">
          <Text size="xs" c="dimmed">
            {name}
          </Text>
          <Text fw={600} size="xl" className="figures" data-testid={`headline-${name}`}>
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
function sharpeWords(rolling: Schemas["RollingPerformance"] | undefined): string {
  if (rolling === undefined || rolling.sharpe === null) return "–";
  const error = rolling.sharpe_standard_error ?? null;
  return error === null ? figure(rolling.sharpe) : `${figure(rolling.sharpe)} ± ${figure(error)}`;
}

const CURVE_COLUMNS: Column[] = [
  { name: "Bar" },
  { name: "NAV", right: true },
  { name: "Net return", right: true },
  { name: "Drawdown", right: true },
  { name: "Rebalance" },
];

function Curves({ portfolio, performance }: PageProps & { performance: Schemas["Performance"] }) {
  const [search, setSearch] = useSearch();
  const [cursor, setCursor] = useState<number | null>(null);
  const log = search.get("scale") === "log";
  const compared = search.get("benchmark") === "equal";
  const equal = useShadows(portfolio, compared).data?.books.find((book) => book.book === "equal");
  const { points } = performance;
  const stamps = useMemo(() => points.map((p) => p.bar_end), [points]);
  const rebalances = useRebalances(portfolio);
  const flags = useMemo(() => flagsOf(stamps, rebalances), [stamps, rebalances]);
  const drawn = (values: (number | null)[]) => (log ? values.map((v) => (v === null ? null : Math.log(Math.max(v, 1e-12)))) : values);
  const lines: Line[] = [{ name: "NAV", colour: "var(--mantine-color-blue-6)", values: drawn(points.map((p) => p.nav)) }];
  if (compared && equal !== undefined) {
    const nav = new Map(equal.points.map((p) => [p.bar_end, p.nav]));
    lines.push({ name: "1/N on paper", colour: "var(--mantine-color-orange-7)", dashed: true, values: drawn(stamps.map((stamp) => nav.get(stamp) ?? null)) });
  }
  const depth: Line = { name: "drawdown", colour: "var(--mantine-color-red-6)", filled: true, values: points.map((p) => p.drawdown) };
  const rows = () =>
    points
      .map((p) => {
        const found = rebalances.get(p.bar_end);
        const why = found === undefined ? "" : <Anchor component={Link} size="xs" to={`/history?portfolio=${portfolio}&decision=${found.decision_id}`}>{triggerWords(found.trigger)}</Anchor>;
        return { key: p.bar_end, cells: [instant(p.bar_end), figure(p.nav, 6), change(p.return_net), share(p.drawdown), why] };
      })
      .reverse();
  const newest = points.at(-1);
  const shared = { stamps, cursor, onCursor: setCursor };
  return (
    <Stack gap="xs">
      <ChartFrame
        title="Net asset value"
        summary={`From ${instant(stamps[0])} to ${instant(stamps.at(-1))}: ${figure(newest?.nav, 4)}. ${flags.size} rebalances; those off schedule are marked orange.`}
        columns={CURVE_COLUMNS}
        rows={rows}
      >
        <LineChart label="Net asset value over time" lines={lines} height={230} flags={flags} format={(v) => figure(log ? Math.exp(v) : v, 3)} {...shared} />
      </ChartFrame>
      <ChartFrame title="Drawdown" summary={`Now ${share(newest?.drawdown)}, at the deepest ${share(performance.max_drawdown)}.`} columns={CURVE_COLUMNS} rows={rows}>
        <LineChart label="Drawdown over time" lines={[depth]} height={120} format={(v) => share(v, 1)} {...shared} />
      </ChartFrame>
      <Group justify="flex-end">
        <Toggle label="Beside 1/N" on={compared} onSwitch={(on) => setSearch({ benchmark: on ? "equal" : null }, "silent")} />
        <Toggle label="Log scale" on={log} onSwitch={(on) => setSearch({ scale: on ? "log" : null }, "silent")} />
      </Group>
    </Stack>
  );
}

function Toggle({ label, on, onSwitch }: { label: string; on: boolean; onSwitch: (on: boolean) => void }) {
  return <Switch size="xs" label={label} checked={on} onChange={(event) => onSwitch(event.currentTarget.checked)} />;
}

type Rebalance = Schemas["HistoryLine"];

/** The decisions that were traded, by the bar they were taken at. */
function useRebalances(portfolio: string): Map<string, Rebalance> {
  const { data } = useHistory(portfolio, { outcome: "accepted", limit: 500 });
  return useMemo(() => new Map(data?.items.map((item) => [item.bar_end, item])), [data]);
}

function flagsOf(stamps: string[], rebalances: Map<string, Rebalance>): Map<number, Flag> {
  const found = new Map<number, Flag>();
  stamps.forEach((stamp, i) => {
    const item = rebalances.get(stamp);
    if (item !== undefined) found.set(i, { words: `${instant(stamp)}: ${triggerWords(item.trigger)}`, loud: item.trigger["kind"] !== "schedule" });
  });
  return found;
}

const HELD_COLUMNS: Column[] = [
  { name: "Strategy" },
  { name: "Target", right: true },
  { name: "Held", right: true },
  { name: "Drift", right: true },
  { name: "Contribution", right: true, wide: true },
];

function Holdings({ portfolio, weights }: PageProps & { weights: Schemas["Weights"] }) {
  const held = [...weights.strategies].filter((s) => s.held !== 0 || s.target !== 0).sort((a, b) => b.held - a.held);
  const colours = held.map((s, i) => colourOf(s.family, i, held.length));
  const slices: Slice[] = held.map((s, i) => ({ name: s.strategy_id, value: s.held, colour: colours[i] ?? "" }));
  if (weights.cash.held > 0) slices.push({ name: "cash", value: weights.cash.held, colour: "var(--mantine-color-gray-5)" });
  const rows = held.map((s, i) => ({
    key: s.strategy_id,
    cells: [<Name colour={colours[i] ?? ""}>{s.strategy_id}</Name>, share(s.target), share(s.held), change(s.drift), change(s.contribution)],
  }));
  const { target, held: cash } = weights.cash;
  rows.push({ key: "cash", cells: [<Name colour="var(--mantine-color-gray-5)">cash</Name>, share(target), share(cash), change(cash - target), "–"] });
  return (
    <Grid>
      <Grid.Col span={{ base: 12, md: 4 }}>
        <ChartFrame title="Held weights" summary={`${held.length} strategies; the largest is ${held[0]?.strategy_id ?? "none"}.`} columns={HELD_COLUMNS} rows={() => rows}>
          <Donut label="Held weights by strategy" slices={slices} />
        </ChartFrame>
        <NextLook portfolio={portfolio} weights={weights} />
      </Grid.Col>
      <Grid.Col span={{ base: 12, md: 8 }}>
        <Title order={2} size="h5" mb={4}>
          Target and held
        </Title>
        <Figures label="Target and held weights" testid="weights" columns={HELD_COLUMNS} rows={rows} />
      </Grid.Col>
    </Grid>
  );
}

/** What makes the mix be looked at next, and how near that is. */
function NextLook({ portfolio, weights }: PageProps & { weights: Schemas["Weights"] }) {
  const asked = useOptimization(portfolio).data;
  const schedule = asked?.rebalance["schedule"];
  const newest = asked?.decision?.decision;
  const limit = weights.drift_limit;
  const part = limit === null ? 0 : Math.min(100, (100 * weights.drift) / limit);
  return (
    <Stack gap={4} mt="md" data-testid="next-look">
      <Text size="sm" fw={500}>
        Next look
      </Text>
      {schedule !== undefined && (
        <Text size="sm">
          On schedule: {String(schedule).replace("_", " ")}
          {newest !== undefined ? `; the last was for the bar of ${instant(newest.bar_end)}` : ""}
        </Text>
      )}
      {limit !== null && (
        <>
          <Text size="sm">
            Largest drift {share(weights.drift)} of the {share(limit)} that trigger one
          </Text>
          <Progress value={part} aria-label="Largest drift, as a part of its limit" color={part > 80 ? "orange" : "blue"} />
        </>
      )}
    </Stack>
  );
}
