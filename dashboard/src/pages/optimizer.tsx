/** What is asked of the optimizer, what it answered, what else could be, and how good the forecasts are. */
import { SimpleGrid, Stack, Text, Title } from "@mantine/core";
import { useState } from "react";
import type { Schemas } from "../api/client";
import { useCovariance, useFrontier, useHistory, useOptimization, useShadows } from "../api/queries";
import type { PageProps } from "../app";
import { Limits } from "../ui/decision";
import { ChartFrame } from "../ui/frame";
import { FrontierChart } from "../ui/frontier";
import { LineChart } from "../ui/lines";
import { Ready } from "../ui/states";
import { Figures, Name, type Column } from "../ui/table";
import { bps, figure, instant, share } from "../units/format";
import { outcomeWords, plain } from "../units/words";

export default function Optimizer({ portfolio }: PageProps) {
  const asked = useOptimization(portfolio);
  return (
    <Stack gap="lg">
      <Title order={2} size="h4">
        Optimizer
      </Title>
      <Ready of={asked}>{(data) => <Newest optimization={data} />}</Ready>
      <Ready of={useFrontier(portfolio)}>{(data) => <FrontierChart frontier={data} />}</Ready>
      <Ready of={useShadows(portfolio)}>{(data) => <Books shadows={data} />}</Ready>
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="lg">
        <Ready of={useCovariance(portfolio)}>{(data) => <Quality record={data.covariance} />}</Ready>
        <Ready of={useHistory(portfolio, { limit: 500 })}>{(data) => <Solves items={data.items} />}</Ready>
      </SimpleGrid>
      <Ready of={asked}>{(data) => <Settings optimization={data} />}</Ready>
    </Stack>
  );
}

function Newest({ optimization }: { optimization: Schemas["Optimization"] }) {
  const decision = optimization.decision?.decision;
  if (decision === undefined) return <Text>Nothing has been decided yet.</Text>;
  return (
    <Stack gap="xs">
      <Text>{outcomeWords(decision)}</Text>
      <Figures
        label="Terms of the objective"
        columns={[{ name: "Term of the objective" }, { name: "Value", right: true }]}
        rows={decision.objective_terms.map((term) => ({ key: term.name, cells: [plain(term.name), figure(term.value, 8)] }))}
      />
      <Limits decision={decision} />
    </Stack>
  );
}

const BOOK_COLUMNS: Column[] = [
  { name: "Book" },
  { name: "Objective", wide: true },
  { name: "NAV", right: true },
  { name: "Sharpe", right: true },
  { name: "Max drawdown", right: true, wide: true },
  { name: "Turnover", right: true, wide: true },
  { name: "Cost", right: true, wide: true },
  { name: "Behind the best", right: true },
];
const COLOURS = ["blue-6", "orange-7", "green-7", "grape-6", "red-6", "cyan-8", "yellow-8", "gray-6"];

export const bookName = (book: string): string => (book === "main" ? "the portfolio" : book === "equal" ? "1/N" : book);

/** Paper books beside the portfolio: what other allocators would have made of the same bars. */
function Books({ shadows }: { shadows: Schemas["Shadows"] }) {
  const [cursor, setCursor] = useState<number | null>(null);
  if (shadows.books.length === 0) return <Text>No paper book has closed a bar yet.</Text>;
  const stamps = [...new Set(shadows.books.flatMap((book) => book.points.map((point) => point.bar_end)))].sort();
  const lines = shadows.books.map((book, i) => {
    const nav = new Map(book.points.map((point) => [point.bar_end, point.nav]));
    return { name: bookName(book.book), colour: `var(--mantine-color-${COLOURS[i % COLOURS.length]})`, dashed: book.book !== "main", values: stamps.map((stamp) => nav.get(stamp) ?? null) };
  });
  const rows = shadows.books.map((book, i) => ({
    key: book.book,
    cells: [
      <Name colour={lines[i]?.colour ?? ""}>{bookName(book.book)}</Name>,
      plain(book.objective),
      figure(book.newest.nav, 4),
      figure(book.newest.sharpe),
      share(book.max_drawdown),
      share(book.newest.turnover_total),
      bps(book.newest.cost_total),
      share(book.newest.regret_best),
    ],
  }));
  return (
    <Stack gap="xs">
      <ChartFrame title="Paper books" summary={`NAV of the portfolio and of allocators that nobody trades, over ${shadows.bars} bars, costs paid.`} columns={BOOK_COLUMNS} rows={() => rows}>
        <LineChart label="NAV of the portfolio and of each paper book" lines={lines} stamps={stamps} height={220} format={(v) => figure(v, 3)} cursor={cursor} onCursor={setCursor} />
      </ChartFrame>
      <Figures label="Paper books" columns={BOOK_COLUMNS} rows={rows} />
      <Text size="xs" c="dimmed">
        Sharpe over the last {shadows.window} bars. How far a book is behind the best is told in log NAV.
      </Text>
    </Stack>
  );
}

const QUALITY_COLUMNS: Column[] = [{ name: "Estimator" }, { name: "Bias, held", right: true }, { name: "Bias, random", right: true }, { name: "QLIKE", right: true, wide: true }, { name: "Bars", right: true }];

/** How good the forecasts of risk have been: a bias of 1 is right, below 1 too careful. */
function Quality({ record }: { record: Schemas["CovarianceRecord"] | null }) {
  const scored = record?.quality ?? [];
  return (
    <div>
      <Title order={2} size="h5">
        Forecasts of risk
      </Title>
      <Text size="xs" c="dimmed" mb={4}>
        {scored.length === 0 ? "None has been scored yet." : `Realised over forecast volatility, of the bar ending ${instant(record?.bar_end)}: 1 is right.`}
      </Text>
      <Figures
        label="Forecasts of risk"
        columns={QUALITY_COLUMNS}
        rows={scored.map((q) => ({ key: q.covariance, cells: [plain(q.covariance), figure(q.bias_held), `${figure(q.bias_random)} (${figure(q.bias_random_min)} to ${figure(q.bias_random_max)})`, figure(q.qlike_held), q.n_bars] }))}
      />
    </div>
  );
}

/** How the newest decisions were solved. */
function Solves({ items }: { items: Schemas["HistoryLine"][] }) {
  const counts = new Map<string, number>();
  for (const item of items) {
    const how = item.outcome === "declined" ? `declined: ${plain(item.reason)}` : `${item.solver}${item.fallback === "none" ? "" : `, fell back: ${plain(item.fallback)}`}`;
    counts.set(how, (counts.get(how) ?? 0) + 1);
  }
  return (
    <div>
      <Title order={2} size="h5">
        Solves
      </Title>
      <Text size="xs" c="dimmed" mb={4}>
        The newest {items.length} decisions.
      </Text>
      <Figures label="Solves" columns={[{ name: "How" }, { name: "Decisions", right: true }]} rows={[...counts].sort((a, b) => b[1] - a[1]).map(([how, count]) => ({ key: how, cells: [how, count] }))} />
    </div>
  );
}

const PARTS = ["objective", "constraints", "estimation", "rebalance", "costs"] as const;

/** The policy's sections, key by key; what is not set is left out. */
function Settings({ optimization }: { optimization: Schemas["Optimization"] }) {
  return (
    <SimpleGrid cols={{ base: 1, md: 2 }} spacing="lg">
      {PARTS.map((part) => (
        <div key={part}>
          <Title order={2} size="h5">
            {plain(part)} by the policy
          </Title>
          <Figures label={`${part} by the policy`} columns={[{ name: "Key" }, { name: "Value" }]} rows={leaves(optimization[part]).map(([key, value]) => ({ key, cells: [key, value] }))} />
        </div>
      ))}
    </SimpleGrid>
  );
}

function leaves(value: unknown, path = ""): [string, string][] {
  if (value === null || value === undefined) return [];
  if (typeof value !== "object") return [[path, String(value)]];
  if (Array.isArray(value) && value.every((one) => typeof one !== "object")) return value.length > 0 ? [[path, value.join(", ")]] : [];
  return Object.entries(value).flatMap(([key, inner]) => leaves(inner, path === "" ? key : `${path}.${key}`));
}
