/** Who ordered what. */
import { Code, Stack, Title } from "@mantine/core";
import { useAudit } from "../api/queries";
import type { PageProps } from "../app";
import { Ready } from "../ui/states";
import { Figures, type Column } from "../ui/table";

const COLUMNS: Column[] = [{ name: "Kind" }, { name: "Action" }, { name: "By" }, { name: "Reason" }, { name: "Id", wide: true }];

export default function Audit({ portfolio }: PageProps) {
  return (
    <Stack gap="sm">
      <Title order={2} size="h4">
        Audit
      </Title>
      <Ready of={useAudit(portfolio)}>
        {({ events }) => (
          <Figures
            label="Who ordered what, newest first"
            columns={COLUMNS}
            rows={events.map(({ kind, place, event }) => ({
              key: `${kind}${place}`,
              cells: [
                kind,
                text(event["action"] ?? `version ${text(event["policy_version"] ?? 1)}`),
                text(event["requested_by"] ?? event["source"]),
                <>
                  {text(event["reason"])}
                  {event["overrides"] != null && <Code>{JSON.stringify(event["overrides"])}</Code>}
                </>,
                <Code>{text(event["request_id"] ?? event["signal_id"])}</Code>,
              ],
            }))}
          />
        )}
      </Ready>
    </Stack>
  );
}

const text = (value: unknown): string => (value === undefined || value === null ? "" : String(value));
