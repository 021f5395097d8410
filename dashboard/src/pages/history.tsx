/** Every evaluation of the mix, and why. */
import { Anchor, Badge, Button, Drawer, Group, Select, Stack, Table, Text, Title } from "@mantine/core";
import { useSearchParams } from "react-router";
import { useDecision, useHistory } from "../api/queries";
import type { PageProps } from "../app";
import { Ready } from "../ui/states";
import { bps, change, figure, instant, share, triggerWords } from "../units/format";
import type { Schemas } from "../api/client";

const COLOURS: Record<string, string> = { filled: "green", acked: "blue", published: "blue", declined: "gray", rejected: "red", expired: "red", superseded: "gray" };

export default function History({ portfolio }: PageProps) {
  const [search, setSearch] = useSearchParams();
  const set = (key: string, value: string | null): void => {
    const next = new URLSearchParams(search);
    if (value === null) next.delete(key);
    else next.set(key, value);
    if (key !== "cursor" && key !== "decision") next.delete("cursor");
    setSearch(next);
  };
  const filter: Record<string, string | number> = { limit: 50 };
  for (const key of ["trigger", "outcome", "cursor"]) {
    const value = search.get(key);
    if (value !== null) filter[key] = value;
  }
  const history = useHistory(portfolio, filter);
  return (
    <Stack gap="sm">
      <Group justify="space-between">
        <Title order={2} size="h4">
          Decisions
        </Title>
        <Group gap="xs">
          <Select aria-label="Trigger" placeholder="Any trigger" clearable size="xs" data={["schedule", "drift", "manual", "risk"]} value={search.get("trigger")} onChange={(v) => set("trigger", v)} />
          <Select aria-label="Outcome" placeholder="Any outcome" clearable size="xs" data={["accepted", "declined"]} value={search.get("outcome")} onChange={(v) => set("outcome", v)} />
          <Anchor size="sm" href={`/portfolio/history?portfolio_id=${portfolio}&limit=500`} download="decisions.json">
            Export
          </Anchor>
        </Group>
      </Group>
      <Ready of={history}>
        {(data) => (
          <>
            <Table.ScrollContainer minWidth={640}>
              <Table verticalSpacing={4} style={{ fontVariantNumeric: "tabular-nums" }}>
                <Table.Thead>
                  <Table.Tr>
                    <Table.Th>Bar</Table.Th>
                    <Table.Th>Trigger</Table.Th>
                    <Table.Th ta="right">Turnover</Table.Th>
                    <Table.Th ta="right">Cost</Table.Th>
                    <Table.Th>Status</Table.Th>
                    <Table.Th>Reason</Table.Th>
                  </Table.Tr>
                </Table.Thead>
                <Table.Tbody>
                  {data.items.map((item) => (
                    <Table.Tr key={item.decision_id}>
                      <Table.Td>
                        <Anchor component="button" size="sm" onClick={() => set("decision", item.decision_id)}>
                          {instant(item.bar_end)}
                        </Anchor>
                      </Table.Td>
                      <Table.Td>{triggerWords(item.trigger)}</Table.Td>
                      <Table.Td ta="right">{share(item.turnover)}</Table.Td>
                      <Table.Td ta="right">{bps(item.cost)}</Table.Td>
                      <Table.Td>
                        <Badge size="sm" variant="light" color={COLOURS[item.lifecycle] ?? "gray"}>
                          {item.lifecycle}
                        </Badge>
                      </Table.Td>
                      <Table.Td>{item.reason}</Table.Td>
                    </Table.Tr>
                  ))}
                </Table.Tbody>
              </Table>
            </Table.ScrollContainer>
            <Group>
              <Button size="xs" variant="default" disabled={search.get("cursor") === null} onClick={() => set("cursor", null)}>
                Newest
              </Button>
              <Button size="xs" variant="default" disabled={data.next_cursor === null} onClick={() => set("cursor", data.next_cursor)}>
                Older
              </Button>
            </Group>
          </>
        )}
      </Ready>
      <Drawer opened={search.get("decision") !== null} onClose={() => set("decision", null)} position="right" size="lg" title="Decision">
        {search.get("decision") !== null && <Detail id={search.get("decision") ?? ""} />}
      </Drawer>
    </Stack>
  );
}

function Detail({ id }: { id: string }) {
  return <Ready of={useDecision(id)}>{(data) => <Explained detail={data} />}</Ready>;
}

function Explained({ detail }: { detail: Schemas["DecisionDetail"] }) {
  const { decision } = detail;
  const stages = decision.stages;
  return (
    <Stack gap="sm">
      <Text>
        At the bar ending {instant(decision.bar_end)}: {triggerWords({ ...decision.trigger })}. {decision.outcome === "declined" ? `Declined: ${decision.reason}. The held weights stay.` : `Accepted: ${decision.objective} by ${decision.solver}.`}
      </Text>
      {decision.ex_ante !== null && (
        <Text size="sm">
          Volatility {share(decision.ex_ante_held?.volatility_annual)} → {share(decision.ex_ante.volatility_annual)}; turnover {share(decision.turnover)}; cost {bps(decision.cost)}.
        </Text>
      )}
      {Object.entries(decision.excluded).map(([name, why]) => (
        <Text size="sm" key={name}>
          {name} takes no part: {String(why)}
        </Text>
      ))}
      {decision.binding.map((limit, i) => (
        <Text size="sm" key={i}>
          Held back by {limit.constraint}
          {limit.strategy ? ` of ${limit.strategy}` : ""} ({limit.side}), price {figure(limit.price, 5)}
        </Text>
      ))}
      {stages !== null && (
        <Table verticalSpacing={2} style={{ fontVariantNumeric: "tabular-nums" }}>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Strategy</Table.Th>
              <Table.Th ta="right">Held</Table.Th>
              <Table.Th ta="right">Solved</Table.Th>
              <Table.Th ta="right">Sent</Table.Th>
              <Table.Th ta="right">Change</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {decision.strategies.map((name, i) => {
              const [before, raw, after] = [stages.held[i] ?? 0, stages.raw[i] ?? 0, stages.rounded[i] ?? 0];
              if (before === 0 && after === 0) return null;
              return (
                <Table.Tr key={name}>
                  <Table.Td>{name}</Table.Td>
                  <Table.Td ta="right">{share(before)}</Table.Td>
                  <Table.Td ta="right">{share(raw)}</Table.Td>
                  <Table.Td ta="right">{share(after)}</Table.Td>
                  <Table.Td ta="right">{change(after - before)}</Table.Td>
                </Table.Tr>
              );
            })}
          </Table.Tbody>
        </Table>
      )}
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
