/** Every evaluation of the mix, and why. */
import { Anchor, Badge, Button, Drawer, Group, Select, Stack, Text, Title } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { download, type Schemas } from "../api/client";
import { useDecision, useHistory } from "../api/queries";
import { useSearch } from "../api/search";
import type { PageProps } from "../app";
import { Effect, Limits, Trades, WaysOut } from "../ui/decision";
import { Ready, Refusal } from "../ui/states";
import { Figures, Name, type Column } from "../ui/table";
import { bps, change, figure, instant, share } from "../units/format";
import { outcomeWords, plain, triggerWords } from "../units/words";

const COLOURS: Record<string, string> = { filled: "green", acked: "blue", published: "blue", declined: "gray", rejected: "red", expired: "red", superseded: "gray" };
const TRIGGERS = ["schedule", "drift", "manual", "risk", "drift_risk", "turbulence", "correlation_break", "volatility_regime", "drawdown"];
const COLUMNS: Column[] = [
  { name: "Bar" },
  { name: "Trigger" },
  { name: "Turnover", right: true },
  { name: "Cost", right: true, wide: true },
  { name: "Status" },
  { name: "Reason", wide: true },
  { name: "Compare" },
];

export default function History({ portfolio }: PageProps) {
  const [search, setSearch] = useSearch();
  const filter: Record<string, string | number> = { limit: 50 };
  for (const key of ["trigger", "outcome", "cursor"]) {
    const value = search.get(key);
    if (value !== null) filter[key] = value;
  }
  const history = useHistory(portfolio, filter);
  const narrow = (key: string) => (value: string | null) => setSearch({ [key]: value, cursor: null });
  const chosen = search.get("compare")?.split(",") ?? [];
  const toggle = (id: string): void => {
    const next = chosen.includes(id) ? chosen.filter((one) => one !== id) : [...chosen, id].slice(-2);
    setSearch({ compare: next.length > 0 ? next.join(",") : null });
  };
  const opened = search.get("decision");
  const exported = useMutation({ mutationFn: () => download("/portfolio/history", { ...filter, portfolio_id: portfolio, limit: 500 }, "decisions.csv") });
  return (
    <Stack gap="sm">
      <Group justify="space-between">
        <Title order={2} size="h4">
          Decisions
        </Title>
        <Group gap="xs">
          <Select aria-label="Trigger" placeholder="Any trigger" clearable size="xs" w={130} data={TRIGGERS.map((value) => ({ value, label: plain(value) }))} value={search.get("trigger")} onChange={narrow("trigger")} />
          <Select aria-label="Outcome" placeholder="Any outcome" clearable size="xs" w={130} data={["accepted", "declined"]} value={search.get("outcome")} onChange={narrow("outcome")} />
          <Button size="compact-xs" variant="subtle" loading={exported.isPending} onClick={() => exported.mutate()}>
            Export CSV
          </Button>
        </Group>
      </Group>
      {exported.error !== null && <Refusal error={exported.error} />}
      {chosen.length === 1 && <Text size="sm">Mark another decision to compare the two.</Text>}
      {chosen.length === 2 && <Comparison ids={[chosen[0] ?? "", chosen[1] ?? ""]} close={() => setSearch({ compare: null })} />}
      <Ready of={history}>
        {(data) => (
          <>
            <Figures
              label="Decisions, newest first"
              columns={COLUMNS}
              rows={data.items.map((item) => ({
                key: item.decision_id,
                cells: [
                  <Anchor component="button" className="pair" onClick={() => setSearch({ decision: item.decision_id })}>
                    {instant(item.bar_end)}
                  </Anchor>,
                  triggerWords(item.trigger),
                  share(item.turnover),
                  bps(item.cost),
                  <Badge size="sm" variant="dot" color={COLOURS[item.lifecycle] ?? "gray"}>
                    {item.lifecycle}
                  </Badge>,
                  plain(item.reason),
                  <input type="checkbox" aria-label={`Compare the decision of ${instant(item.bar_end)}`} checked={chosen.includes(item.decision_id)} onChange={() => toggle(item.decision_id)} />,
                ],
              }))}
            />
            <Group>
              <Button size="xs" variant="default" disabled={search.get("cursor") === null} onClick={() => setSearch({ cursor: null })}>
                Newest
              </Button>
              <Button size="xs" variant="default" disabled={data.next_cursor === null} onClick={() => setSearch({ cursor: data.next_cursor })}>
                Older
              </Button>
            </Group>
          </>
        )}
      </Ready>
      <Drawer opened={opened !== null} onClose={() => setSearch({ decision: null })} position="right" size="lg" title="Decision" closeButtonProps={{ "aria-label": "Close" }}>
        {opened !== null && <Detail id={opened} />}
      </Drawer>
    </Stack>
  );
}

function Detail({ id }: { id: string }) {
  return <Ready of={useDecision(id)}>{(data) => <Explained detail={data} />}</Ready>;
}

function Explained({ detail }: { detail: Schemas["DecisionDetail"] }) {
  const { decision } = detail;
  return (
    <Stack gap="sm">
      <Text>{outcomeWords(decision)}</Text>
      <WaysOut decision={decision} />
      <Effect decision={decision} />
      {Object.entries(decision.excluded).map(([name, why]) => (
        <Text size="sm" key={name}>
          {name} takes no part: {plain(why)}.
        </Text>
      ))}
      <Limits decision={decision} />
      <Trades decision={decision} />
      {detail.reports.map((report) => (
        <Text size="sm" key={report.report_id}>
          {report.status} by {report.executor || "the execution layer"} at {instant(report.as_of)} {report.reason}
        </Text>
      ))}
      <Text size="xs" c="dimmed">
        {decision.decision_id}
      </Text>
    </Stack>
  );
}

/** Two decisions side by side: what was sent, and what the estimates expected of it. */
function Comparison({ ids, close }: { ids: [string, string]; close: () => void }) {
  const [one, other] = [useDecision(ids[0]), useDecision(ids[1])];
  return (
    <Stack gap="xs" data-testid="comparison">
      <Group justify="space-between">
        <Title order={3} size="h5">
          Two decisions compared
        </Title>
        <Button size="compact-xs" variant="default" onClick={close}>
          Close
        </Button>
      </Group>
      <Ready of={one}>{(first) => <Ready of={other}>{(second) => <Sides sides={[first.decision, second.decision]} />}</Ready>}</Ready>
    </Stack>
  );
}

function Sides({ sides }: { sides: [Schemas["Decision"], Schemas["Decision"]] }) {
  const [first, second] = sides[0].bar_end <= sides[1].bar_end ? sides : [sides[1], sides[0]];
  const columns: Column[] = [{ name: "" }, { name: instant(first.bar_end), right: true }, { name: instant(second.bar_end), right: true }, { name: "Change", right: true }];
  const told = (name: string, of: (decision: Schemas["Decision"]) => string) => ({ key: name, cells: [name, of(first), of(second), ""] });
  const sent = (decision: Schemas["Decision"]) => new Map(decision.strategies.map((name, i) => [name, decision.stages?.rounded[i] ?? 0]));
  const [before, after] = [sent(first), sent(second)];
  const names = [...new Set([...before.keys(), ...after.keys()])]
    .map((name) => ({ name, from: before.get(name) ?? 0, to: after.get(name) ?? 0 }))
    .filter(({ from, to }) => from !== 0 || to !== 0)
    .sort((a, b) => Math.abs(b.to - b.from) - Math.abs(a.to - a.from));
  return (
    <Figures
      label="Two decisions compared"
      columns={columns.map((column, i) => (i === 2 && column.name === columns[1]?.name ? { ...column, name: `${column.name} (2)` } : column))}
      rows={[
        told("Trigger", (d) => triggerWords({ ...d.trigger })),
        told("Outcome", (d) => (d.outcome === "declined" ? `declined: ${plain(d.reason)}` : "accepted")),
        told("Objective", (d) => plain(d.objective)),
        told("Turnover", (d) => share(d.turnover)),
        told("Cost", (d) => bps(d.cost)),
        told("Volatility", (d) => share(d.ex_ante?.volatility_annual)),
        told("Sharpe", (d) => figure(d.ex_ante?.sharpe)),
        ...names.map(({ name, from, to }) => ({ key: `weight ${name}`, cells: [<Name>{name}</Name>, share(from), share(to), change(to - from)] })),
      ]}
    />
  );
}
