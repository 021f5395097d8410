/** What every chart stands in: a title, a summary in words, and a table behind it. */
import { Button, Group, ScrollArea, Text, Title } from "@mantine/core";
import { useElementSize } from "@mantine/hooks";
import { useId, useState, type ReactNode } from "react";
import { Figures, type Column, type Row } from "./table";

interface FrameProps {
  title: string;
  summary: string;
  columns: Column[];
  rows: () => Row[];
  children: ReactNode;
}

/** A titled chart with "view as table" behind it. */
export function ChartFrame({ title, summary, columns, rows, children }: FrameProps) {
  const [asTable, setAsTable] = useState(false);
  const id = useId();
  return (
    <section aria-labelledby={id}>
      <Group justify="space-between" mb={4} wrap="nowrap">
        <Title order={2} size="h5" id={id}>
          {title}
        </Title>
        <Button variant="subtle" size="compact-xs" flex="none" onClick={() => setAsTable(!asTable)} aria-pressed={asTable}>
          {asTable ? "View as chart" : "View as table"}
        </Button>
      </Group>
      {asTable ? (
        <ScrollArea.Autosize mah={300} viewportProps={{ tabIndex: 0, role: "group", "aria-label": `${title}, table` }}>
          <Figures label={title} columns={columns} rows={rows()} />
        </ScrollArea.Autosize>
      ) : (
        <figure style={{ margin: 0 }}>
          {children}
          <Text component="figcaption" size="xs" c="dimmed">
            {summary}
          </Text>
        </figure>
      )}
    </section>
  );
}

/** A drawing as wide as its place: a unit is a pixel, so that letters stay as large on a phone. */
export function Drawing({ label, height, children }: { label: string; height: number; children: (width: number) => ReactNode }) {
  const { ref, width } = useElementSize<HTMLDivElement>();
  return (
    <div ref={ref} style={{ height, overflow: "hidden" }}>
      {width > 0 && (
        <svg role="img" aria-label={label} width={width} height={height} style={{ display: "block" }}>
          {children(width)}
        </svg>
      )}
    </div>
  );
}
