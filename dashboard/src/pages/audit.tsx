/** Who ordered what. */
import { Code, Stack, Table, Title } from "@mantine/core";
import { useAudit } from "../api/queries";
import type { PageProps } from "../app";
import { Ready } from "../ui/states";

export default function Audit({ portfolio }: PageProps) {
  return (
    <Stack gap="sm">
      <Title order={2} size="h4">
        Audit
      </Title>
      <Ready of={useAudit(portfolio)}>
        {({ events }) => (
          <Table.ScrollContainer minWidth={560}>
            <Table verticalSpacing={4}>
              <Table.Thead>
                <Table.Tr>
                  <Table.Th>Kind</Table.Th>
                  <Table.Th>Action</Table.Th>
                  <Table.Th>By</Table.Th>
                  <Table.Th>Reason</Table.Th>
                  <Table.Th>Id</Table.Th>
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {events.map(({ kind, place, event }) => (
                  <Table.Tr key={`${kind}${place}`}>
                    <Table.Td>{kind}</Table.Td>
                    <Table.Td>{text(event["action"] ?? `version ${text(event["policy_version"] ?? 1)}`)}</Table.Td>
                    <Table.Td>{text(event["requested_by"] ?? event["source"])}</Table.Td>
                    <Table.Td>{text(event["reason"])}</Table.Td>
                    <Table.Td>
                      <Code>{text(event["request_id"] ?? event["signal_id"])}</Code>
                    </Table.Td>
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
          </Table.ScrollContainer>
        )}
      </Ready>
    </Stack>
  );
}

const text = (value: unknown): string => (value === undefined || value === null ? "" : String(value));
