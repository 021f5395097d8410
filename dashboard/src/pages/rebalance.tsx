/** Ask what a rebalance would do, then order it and watch it through. Nothing is shown as done before it is. */
import { Alert, Button, Group, Stack, Stepper, Table, Text, TextInput, Title } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { useSearchParams } from "react-router";
import { order, Problem, type Schemas } from "../api/client";
import { useRebalance } from "../api/queries";
import type { PageProps } from "../app";
import { Failure } from "../ui/states";
import { bps, change, figure, instant, share } from "../units/format";

type Preview = Schemas["PreviewAnswer"];

export default function Rebalance({ portfolio }: PageProps) {
  const [search, setSearch] = useSearchParams();
  const [reason, setReason] = useState("");
  const request = search.get("request");
  const query = { portfolio_id: portfolio };
  const preview = useMutation({
    mutationFn: () => order("PreviewAnswer", "/portfolio/preview", query, { reason }),
  });
  const confirm = useMutation({
    // One key an intention: a retry of the same click is the same order.
    mutationFn: ({ key, version }: { key: string; version: string }) =>
      order("RequestAnswer", "/portfolio/rebalance", query, { reason }, { "Idempotency-Key": key, "If-Match": version }),
    retry: (count, error) => count < 2 && !(error instanceof Problem),
    onSuccess: (answer) => setSearch({ portfolio, request: answer.request_id }),
  });
  const seen = preview.data;
  const moved = confirm.error instanceof Problem && confirm.error.status === 412;
  return (
    <Stack gap="md" maw={900}>
      <Title order={2} size="h4">
        Rebalance now
      </Title>
      <TextInput label="Reason" description="Kept with the order, for whoever asks later." value={reason} onChange={(e) => setReason(e.currentTarget.value)} maxLength={500} />
      <Group>
        <Button variant="default" loading={preview.isPending} onClick={() => preview.mutate()}>
          Preview
        </Button>
        <Button
          disabled={seen?.decision.outcome !== "accepted"}
          loading={confirm.isPending}
          onClick={() => seen !== undefined && confirm.mutate({ key: newKey(), version: `"${seen.version}"` })}
        >
          Confirm
        </Button>
      </Group>
      {preview.error !== null && <Failure error={preview.error} />}
      {moved && (
        <Alert color="orange" title="The portfolio has moved on" role="alert">
          <Stack gap="xs" align="flex-start">
            <Text size="sm">{confirm.error?.message}</Text>
            <Button size="xs" variant="default" onClick={() => confirm.mutate({ key: newKey(), version: "*" })}>
              Order it as things stand now
            </Button>
          </Stack>
        </Alert>
      )}
      {confirm.error !== null && !moved && <Failure error={confirm.error} />}
      {request !== null && <Lifecycle request={request} />}
      {seen !== undefined && <Shown preview={seen} />}
    </Stack>
  );
}

/** A name for one order, so that a repeat of it stays one. (`randomUUID` is not there without TLS.) */
function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function Shown({ preview }: { preview: Preview }) {
  const { decision } = preview;
  if (decision.outcome === "declined" || decision.stages === null) {
    return (
      <Alert color="yellow" title="Nothing would be done">
        {decision.reason}. The held weights would stay.
      </Alert>
    );
  }
  const { held, rounded, cash } = decision.stages;
  const rows = decision.strategies
    .map((name, i) => ({ name, before: held[i] ?? 0, after: rounded[i] ?? 0 }))
    .filter((row) => row.before !== 0 || row.after !== 0)
    .sort((a, b) => Math.abs(b.after - b.before) - Math.abs(a.after - a.before));
  rows.push({ name: "cash", before: cash["held"] ?? 0, after: cash["rounded"] ?? 0 });
  return (
    <Stack gap="sm" data-testid="preview">
      <Text>
        At the bar ending {instant(preview.bar_end)}: turnover {share(decision.turnover)}, cost {bps(decision.cost)}. Volatility {share(decision.ex_ante_held?.volatility_annual)} →{" "}
        {share(decision.ex_ante?.volatility_annual)}, expected return {share(decision.ex_ante_held?.return_annual)} → {share(decision.ex_ante?.return_annual)}, Sharpe{" "}
        {figure(decision.ex_ante_held?.sharpe)} → {figure(decision.ex_ante?.sharpe)}.
      </Text>
      <Table.ScrollContainer minWidth={360}>
        <Table verticalSpacing={2} style={{ fontVariantNumeric: "tabular-nums" }}>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Strategy</Table.Th>
              <Table.Th ta="right">Held</Table.Th>
              <Table.Th ta="right">Would be</Table.Th>
              <Table.Th ta="right">Change</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {rows.map((row) => (
              <Table.Tr key={row.name}>
                <Table.Td>{row.name}</Table.Td>
                <Table.Td ta="right">{share(row.before)}</Table.Td>
                <Table.Td ta="right">{share(row.after)}</Table.Td>
                <Table.Td ta="right">{change(row.after - row.before)}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
      {decision.binding.length > 0 && (
        <div>
          <Text fw={500}>What holds it back</Text>
          {decision.binding.map((limit, i) => (
            <Text size="sm" key={i}>
              {limit.constraint}
              {limit.strategy ? ` of ${limit.strategy}` : ""} ({limit.side}): {figure(limit.price, 5)} of the objective per unit
            </Text>
          ))}
        </div>
      )}
    </Stack>
  );
}

const STEPS = ["proposed", "published", "acked", "filled"];
const ENDED: Record<string, string> = {
  declined: "It was declined",
  rejected: "The execution layer refused it",
  expired: "It expired before it was taken",
  superseded: "A newer command took its place",
};

function Lifecycle({ request }: { request: string }) {
  const answer = useRebalance(request);
  const status = answer.data?.status ?? "proposed";
  const ended = ENDED[status];
  return (
    <Stack gap="xs" role="status" aria-label="Order" data-testid="lifecycle" data-status={status}>
      {ended !== undefined ? (
        <Alert color="orange" title={ended}>
          {answer.data?.decision?.reason || answer.data?.reports.at(-1)?.reason || ""}
        </Alert>
      ) : (
        <Stepper active={status === "filled" ? STEPS.length : STEPS.indexOf(status)} size="xs" iconSize={26}>
          {STEPS.map((step) => (
            <Stepper.Step key={step} label={step} />
          ))}
        </Stepper>
      )}
      <Text size="xs" c="dimmed">
        request {request}
      </Text>
    </Stack>
  );
}
