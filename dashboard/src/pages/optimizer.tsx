/** What is asked of the optimizer, and what it last answered. */
import { Code, SimpleGrid, Stack, Table, Text, Title } from "@mantine/core";
import { useOptimization } from "../api/queries";
import type { PageProps } from "../app";
import { Ready } from "../ui/states";
import { figure, instant } from "../units/format";

export default function Optimizer({ portfolio }: PageProps) {
  return (
    <Ready of={useOptimization(portfolio)}>
      {(data) => (
        <Stack gap="md">
          <Title order={2} size="h4">
            Optimizer
          </Title>
          <SimpleGrid cols={{ base: 1, md: 2 }}>
            {(["objective", "constraints", "estimation", "rebalance", "costs"] as const).map((part) => (
              <div key={part}>
                <Text fw={500}>{part}</Text>
                <Code block tabIndex={0}>
                  {JSON.stringify(data[part], null, 1)}
                </Code>
              </div>
            ))}
          </SimpleGrid>
          {data.decision !== null && (
            <div>
              <Text fw={500}>
                Newest decision, {instant(data.decision.decision.bar_end)}: {data.decision.decision.outcome} {data.decision.decision.solver}
              </Text>
              <Table maw={420}>
                <Table.Tbody>
                  {data.decision.decision.objective_terms.map((term) => (
                    <Table.Tr key={term.name}>
                      <Table.Td>{term.name}</Table.Td>
                      <Table.Td ta="right">{figure(term.value, 8)}</Table.Td>
                    </Table.Tr>
                  ))}
                </Table.Tbody>
              </Table>
            </div>
          )}
        </Stack>
      )}
    </Ready>
  );
}
