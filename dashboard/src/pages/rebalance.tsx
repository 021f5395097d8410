/** Ask what a rebalance would do, then order it and watch it through. Nothing is shown as done before it is. */
import { Alert, Button, Group, Stack, Stepper, Text, TextInput, Title } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { order, Problem, type Schemas } from "../api/client";
import { useFrontierWithin, useOptimization, useRebalance } from "../api/queries";
import { useSearch } from "../api/search";
import type { PageProps } from "../app";
import { Effect, Limits, Trades, WaysOut } from "../ui/decision";
import { FrontierChart } from "../ui/frontier";
import { Failure, Ready, Refusal, Unheard } from "../ui/states";
import { instant } from "../units/format";
import { plain } from "../units/words";
import { Controls, overridesOf, type Overrides } from "./controls";

type Preview = Schemas["PreviewAnswer"];

export default function Rebalance({ portfolio }: PageProps) {
  const [search, setSearch] = useSearch();
  const [reason, setReason] = useState("");
  const policy = useOptimization(portfolio).data;
  const request = search.get("request");
  const overrides = overridesOf(search);
  const query = { portfolio_id: portfolio };
  const preview = useMutation({
    mutationFn: (asked: Overrides | null) => order("PreviewAnswer", "/portfolio/preview", query, { reason, overrides: asked }),
  });
  const confirm = useMutation({
    mutationFn: ({ key, version }: { key: string; version: string }) =>
      order("RequestAnswer", "/portfolio/rebalance", query, { reason, overrides }, { "Idempotency-Key": key, "If-Match": version }),
    retry: (count, error) => count < 2 && !(error instanceof Problem),
    onSuccess: (answer) => setSearch({ request: answer.request_id }),
  });
  // What is confirmed is what was seen: other controls ask for another preview.
  const isAsked = JSON.stringify(preview.variables ?? null) === JSON.stringify(overrides);
  const seen = isAsked ? preview.data : undefined;
  // One key an intention, however often it is clicked: an answer that was lost may have been a yes.
  const key = useMemo(newKey, [seen, reason]);
  const look = (): void => {
    confirm.reset();
    preview.mutate(overrides);
  };
  const moved = confirm.error instanceof Problem && confirm.error.status === 412;
  return (
    <Stack gap="md" maw={900}>
      <Title order={2} size="h4">
        Rebalance now
      </Title>
      <Controls search={search} setSearch={setSearch} policy={policy} />
      <TextInput label="Reason" description="Kept with the order, for whoever asks later." value={reason} onChange={(e) => setReason(e.currentTarget.value)} maxLength={500} />
      <Group>
        <Button variant="default" loading={preview.isPending} onClick={look}>
          Preview
        </Button>
        <Button disabled={seen?.decision.outcome !== "accepted" || isBehind(seen) || confirm.isSuccess} loading={confirm.isPending} onClick={() => seen !== undefined && confirm.mutate({ key, version: `"${seen.version}"` })}>
          Confirm
        </Button>
      </Group>
      {preview.error !== null && isAsked && <Refusal error={preview.error} />}
      {moved && (
        <Alert color="orange" title="The portfolio has moved on" role="alert">
          <Stack gap="xs" align="flex-start">
            <Text size="sm">{confirm.error?.message}</Text>
            <Button size="xs" variant="default" onClick={() => confirm.mutate({ key, version: "*" })}>
              Order it as things stand now
            </Button>
          </Stack>
        </Alert>
      )}
      {confirm.error !== null && !moved && (isUnknown(confirm.error) ? <Unheard error={confirm.error} /> : <Refusal error={confirm.error} />)}
      {request !== null && <Lifecycle request={request} />}
      {seen !== undefined && <Shown preview={seen} portfolio={portfolio} overrides={overrides} />}
    </Stack>
  );
}

/** Whether anything has happened since the checkpoint that a preview is made from. */
const isBehind = (preview: Preview): boolean => !preview.current;

/** Whether an order may have been taken for all that is known. */
const isUnknown = (error: Error): boolean => !(error instanceof Problem) || error.status >= 500;

/** A name for one order, so that a repeat of it stays one. (`randomUUID` is not there without TLS.) */
function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function Shown({ preview, portfolio, overrides }: PageProps & { preview: Preview; overrides: Overrides | null }) {
  const { decision } = preview;
  return (
    <Stack gap="sm" data-testid="preview" data-bar={preview.bar_end}>
      {decision.outcome === "declined" ? (
        <Alert color="yellow" title="Nothing would be done">
          At the bar ending {instant(preview.bar_end)}: {plain(decision.reason)}. The held weights would stay.
          <WaysOut decision={decision} />
        </Alert>
      ) : (
        <Text>
          At the bar ending {instant(preview.bar_end)}, by {plain(decision.objective)}:
        </Text>
      )}
      {isBehind(preview) && (
        <Alert color="orange" title="The portfolio has moved on">
          This is of the engine's last checkpoint; what happened since, up to the bar ending {instant(preview.as_of)}, is not in it yet. Preview again in a few seconds.
        </Alert>
      )}
      <Effect decision={decision} />
      <Trades decision={decision} />
      <Limits decision={decision} />
      <Ready of={useFrontierWithin(portfolio, `${preview.version} ${preview.bar_number}`, overrides)}>{(data) => <FrontierChart frontier={data} />}</Ready>
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
  if (answer.error !== null && answer.data === undefined) return <Failure error={answer.error} />;
  const status = answer.data?.status;
  if (status === undefined) {
    return (
      <Text size="sm" c="dimmed" role="status" data-testid="lifecycle" data-status="unknown">
        {answer.data === null ? "Nothing is known of this order yet" : "Asking for this order"}: request {request}
      </Text>
    );
  }
  const ended = ENDED[status];
  return (
    <Stack gap="xs" role="status" aria-label="Order" data-testid="lifecycle" data-status={status}>
      {ended !== undefined ? (
        <Alert color="orange" title={ended}>
          {plain(answer.data?.decision?.reason || answer.data?.reports.at(-1)?.reason || "")}
        </Alert>
      ) : (
        <Stepper active={status === "filled" ? STEPS.length : STEPS.indexOf(status)} size="xs" iconSize={20} wrap={false}>
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
