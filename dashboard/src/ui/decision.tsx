/** Parts of a decision that several pages show. */
import { Stack, Text } from "@mantine/core";
import type { Schemas } from "../api/client";
import { bps, change, figure, share } from "../units/format";
import { bindingWords } from "../units/words";
import { Figures, Name, type Column } from "./table";

type Decision = Schemas["Decision"];

const TRADES: Column[] = [
  { name: "Strategy" },
  { name: "Held", right: true },
  { name: "Solved", right: true, wide: true },
  { name: "Sent", right: true },
  { name: "Change", right: true },
];

/** What is traded: the largest trades first, cash last. */
export function Trades({ decision }: { decision: Decision }) {
  const { stages } = decision;
  if (stages === null) return null;
  const rows = decision.strategies
    .map((name, i) => ({ name, held: stages.held[i] ?? 0, raw: stages.raw[i] ?? 0, sent: stages.rounded[i] ?? 0 }))
    .filter((row) => row.held !== 0 || row.sent !== 0)
    .sort((a, b) => Math.abs(b.sent - b.held) - Math.abs(a.sent - a.held));
  const { held = 0, raw = 0, rounded: sent = 0 } = stages.cash;
  rows.push({ name: "cash", held, raw, sent });
  return (
    <Figures
      label="Trades"
      columns={TRADES}
      rows={rows.map((row) => ({ key: row.name, cells: [<Name>{row.name}</Name>, share(row.held), share(row.raw), share(row.sent), change(row.sent - row.held)] }))}
    />
  );
}

const EFFECT: Column[] = [{ name: "Expected, a year" }, { name: "Held", right: true }, { name: "Sent", right: true }];

/** What the estimates expect of the weights before and after, and what the way there costs. */
export function Effect({ decision }: { decision: Decision }) {
  const { ex_ante_held: held, ex_ante: sent } = decision;
  if (sent === null) return null;
  const rows: [string, string, string][] = [
    ["Volatility", share(held?.volatility_annual), share(sent.volatility_annual)],
    ["Return", share(held?.return_annual), share(sent.return_annual)],
    ["Sharpe", figure(held?.sharpe), figure(sent.sharpe)],
    ["Tail loss of a bar (CVaR 95 %)", share(held?.cvar_95), share(sent.cvar_95)],
  ];
  return (
    <Stack gap={4}>
      <Figures label="Expected before and after" columns={EFFECT} rows={rows.map((cells) => ({ key: cells[0], cells }))} />
      <Text size="sm">
        Turnover {share(decision.turnover)}, cost {bps(decision.cost)} of NAV.
      </Text>
    </Stack>
  );
}

/** The limits that held a decision back, in words. */
export function Limits({ decision }: { decision: Decision }) {
  if (decision.binding.length === 0) return null;
  return (
    <div>
      <Text fw={500} size="sm">
        What holds it back
      </Text>
      {decision.binding.map((limit, i) => (
        <Text size="sm" key={i}>
          {bindingWords(limit)}
        </Text>
      ))}
    </div>
  );
}

/** Where no weights meet the limits: which would have to give, and how far. What is empty is not sent. */
export function WaysOut({ decision }: { decision: Decision }) {
  const ways = (decision.relaxed as Decision["relaxed"] | undefined) ?? [];
  return ways.map((limit) => (
    <Text size="sm" key={`${limit.way} ${limit.words}`}>
      Way {limit.way}: {limit.words}
    </Text>
  ));
}
