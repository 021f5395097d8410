/** Each strategy: is it seen, is it well, and why has it the weight it has? */
import { Anchor, Drawer, Select, Stack, Text, Title } from "@mantine/core";
import { useState } from "react";
import type { Schemas } from "../api/client";
import { useOptimization, useStrategies, useStrategy } from "../api/queries";
import { useSearch } from "../api/search";
import type { PageProps } from "../app";
import { ChartFrame } from "../ui/frame";
import { LineChart } from "../ui/lines";
import { Ready } from "../ui/states";
import { Figures, Name, type Column } from "../ui/table";
import { change, figure, instant, share } from "../units/format";
import { bindingWords, plain } from "../units/words";

const COLUMNS: Column[] = [
  { name: "Strategy" },
  { name: "Standing" },
  { name: "Held", right: true },
  { name: "Target", right: true, wide: true },
  { name: "Return", right: true, wide: true },
  { name: "Volatility", right: true, wide: true },
  { name: "Sharpe", right: true },
  { name: "Max drawdown", right: true, wide: true },
  { name: "Bars", right: true, wide: true },
];

export default function Strategies({ portfolio }: PageProps) {
  const [search, setSearch] = useSearch();
  const opened = search.get("strategy");
  return (
    <Stack gap="sm">
      <Title order={2} size="h4">
        Strategies
      </Title>
      <Ready of={useStrategies(portfolio)}>
        {({ strategies }) => {
          const windows = strategies[0]?.windows.map((w) => w.window) ?? [];
          const window = search.get("window") ?? windows.at(-2) ?? "";
          return (
            <>
              <Select aria-label="Window of the figures" size="xs" w={160} data={windows.map((value) => ({ value, label: windowWords(value) }))} value={window} onChange={(value) => setSearch({ window: value })} />
              <Figures label="Strategies" columns={COLUMNS} rows={strategies.map((s) => ({ key: s.strategy_id, cells: cellsOf(s, window, () => setSearch({ strategy: s.strategy_id })) }))} />
            </>
          );
        }}
      </Ready>
      <Drawer opened={opened !== null} onClose={() => setSearch({ strategy: null })} position="right" size="lg" title={opened ?? ""} closeButtonProps={{ "aria-label": "Close" }}>
        {opened !== null && <Detail portfolio={portfolio} id={opened} />}
      </Drawer>
    </Stack>
  );
}

const windowWords = (window: string): string => (/^\d+$/.test(window) ? `last ${window} bars` : plain(window));

function cellsOf(strategy: Schemas["StrategyLine"], window: string, open: () => void) {
  const found = strategy.windows.find((w) => w.window === window);
  const metric = (name: string): number | null | undefined => found?.metrics[name];
  return [
    <Anchor component="button" onClick={open}>
      <Name>{strategy.strategy_id}</Name>
    </Anchor>,
    strategy.eligible ? "eligible" : plain(strategy.excluded ?? "waiting"),
    share(strategy.held),
    share(strategy.target),
    share(metric("cagr")),
    share(metric("volatility_annual")),
    figure(metric("sharpe")),
    share(metric("max_drawdown")),
    found?.n_obs ?? 0,
  ];
}

function Detail({ portfolio, id }: PageProps & { id: string }) {
  const newest = useOptimization(portfolio).data?.decision?.decision;
  return (
    <Ready of={useStrategy(portfolio, id)}>
      {(data) => (
        <Stack gap="md">
          <div>
            <Text size="sm">
              {plain(data.family)}; {data.eligible ? "eligible" : "waiting"}; target {share(data.target)}, held {share(data.held)}.
            </Text>
            {data.excluded !== null && <Text size="sm">It takes no part: {plain(data.excluded)}.</Text>}
            {newest?.binding
              .filter((limit) => limit.strategy === id)
              .map((limit, i) => (
                <Text size="sm" key={i}>
                  {bindingWords(limit)}
                </Text>
              ))}
          </div>
          <WeightOverTime points={data.weights} />
          <Windows windows={data.windows} />
        </Stack>
      )}
    </Ready>
  );
}

const WEIGHT_COLUMNS: Column[] = [{ name: "Bar" }, { name: "Target", right: true }, { name: "Held", right: true }, { name: "Contribution", right: true }];

function WeightOverTime({ points }: { points: Schemas["StrategyPoint"][] }) {
  const [cursor, setCursor] = useState<number | null>(null);
  const lines = [
    { name: "held", colour: "var(--mantine-color-blue-6)", values: points.map((p) => p.held) },
    { name: "target", colour: "var(--mantine-color-orange-7)", dashed: true, values: points.map((p) => p.target) },
  ];
  return (
    <ChartFrame
      title="Weight over time"
      summary={`${points.length} bars, of NAV.`}
      columns={WEIGHT_COLUMNS}
      rows={() => points.map((p) => ({ key: p.bar_end, cells: [instant(p.bar_end), share(p.target), share(p.held), change(p.contribution)] })).reverse()}
    >
      <LineChart label="Held and target weight over time" lines={lines} stamps={points.map((p) => p.bar_end)} height={150} format={(v) => share(v, 1)} cursor={cursor} onCursor={setCursor} />
    </ChartFrame>
  );
}

const FIGURES = ["cagr", "volatility_annual", "sharpe", "sharpe_standard_error", "sortino", "max_drawdown", "var_95", "cvar_95", "hit_rate", "skew"];
const SHARES = new Set(["cagr", "volatility_annual", "max_drawdown", "var_95", "cvar_95", "hit_rate"]);

/** The figures of each window; where one is undefined, why. */
function Windows({ windows }: { windows: Schemas["StrategyWindow"][] }) {
  const columns: Column[] = [{ name: "Figure" }, ...windows.map((w) => ({ name: windowWords(w.window), right: true }))];
  const tell = (w: Schemas["StrategyWindow"], name: string): string => {
    const value = w.metrics[name];
    if (value === null || value === undefined) return plain(w.undefined[name] ?? "–");
    return SHARES.has(name) ? share(value) : figure(value);
  };
  return <Figures label="Figures by window" columns={columns} rows={FIGURES.map((name) => ({ key: name, cells: [plain(name), ...windows.map((w) => tell(w, name))] }))} />;
}
