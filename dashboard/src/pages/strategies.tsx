/** Each strategy: is it seen, is it well, and why has it the weight it has? */
import { Badge, Select, Stack, Table, Text, Title } from "@mantine/core";
import { useSearchParams } from "react-router";
import type { Schemas } from "../api/client";
import { useStrategies } from "../api/queries";
import type { PageProps } from "../app";
import { Ready } from "../ui/states";
import { figure, share } from "../units/format";

export default function Strategies({ portfolio }: PageProps) {
  const [search, setSearch] = useSearchParams();
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
              <Select aria-label="Window" size="xs" w={160} data={windows} value={window} onChange={(v) => v !== null && setSearch({ portfolio, window: v })} />
              <Table.ScrollContainer minWidth={760}>
                <Table verticalSpacing={2} style={{ fontVariantNumeric: "tabular-nums" }}>
                  <Table.Thead>
                    <Table.Tr>
                      {["Strategy", "Family", "Standing", "Target", "Held", "Return", "Volatility", "Sharpe", "Max drawdown", "Bars"].map((name) => (
                        <Table.Th key={name}>{name}</Table.Th>
                      ))}
                    </Table.Tr>
                  </Table.Thead>
                  <Table.Tbody>
                    {strategies.map((s) => (
                      <Row key={s.strategy_id} strategy={s} window={window} />
                    ))}
                  </Table.Tbody>
                </Table>
              </Table.ScrollContainer>
            </>
          );
        }}
      </Ready>
    </Stack>
  );
}

function Row({ strategy, window }: { strategy: Schemas["StrategyLine"]; window: string }) {
  const found = strategy.windows.find((w) => w.window === window);
  const metric = (name: string): number | null | undefined => found?.metrics[name];
  return (
    <Table.Tr>
      <Table.Td>{strategy.strategy_id}</Table.Td>
      <Table.Td>{strategy.family.replace("_", " ")}</Table.Td>
      <Table.Td>
        <Badge size="sm" variant="light" color={strategy.eligible ? "green" : "gray"}>
          {strategy.eligible ? "eligible" : "waiting"}
        </Badge>
        {strategy.excluded !== null && (
          <Text size="xs" c="dimmed">
            {strategy.excluded}
          </Text>
        )}
      </Table.Td>
      <Table.Td>{share(strategy.target)}</Table.Td>
      <Table.Td>{share(strategy.held)}</Table.Td>
      <Table.Td>{share(metric("cagr"))}</Table.Td>
      <Table.Td>{share(metric("volatility_annual"))}</Table.Td>
      <Table.Td>{figure(metric("sharpe"))}</Table.Td>
      <Table.Td>{share(metric("max_drawdown"))}</Table.Td>
      <Table.Td>{found?.n_obs ?? 0}</Table.Td>
    </Table.Tr>
  );
}
