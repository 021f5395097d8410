/** Tables of names and figures: the one way that rows are shown on all pages. */
import { Table } from "@mantine/core";
import type { ReactNode } from "react";

export interface Column {
  name: string;
  /** Figures stand to the right, below each other. */
  right?: boolean;
  /** Left out where the screen is narrow. */
  wide?: boolean;
}

export interface Row {
  key: string;
  cells: ReactNode[];
}

interface FiguresProps {
  columns: Column[];
  rows: Row[];
  /** What the table is of, for those who do not see what stands above it. */
  label: string;
  testid?: string;
}

export function Figures({ columns, rows, label, testid }: FiguresProps) {
  const head = columns.map((column) => ({ column, props: cellProps(column) }));
  return (
    <Table.ScrollContainer minWidth={0} scrollAreaProps={{ viewportProps: { tabIndex: 0, role: "group", "aria-label": label } }}>
      <Table className="figures" aria-label={label} data-testid={testid}>
        <Table.Thead>
          <Table.Tr>
            {head.map(({ column, props }) => (
              <Table.Th key={column.name} scope="col" {...props}>
                {column.name}
              </Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {rows.map((row) => (
            <Table.Tr key={row.key}>
              {head.map(({ column, props }, i) => (
                <Table.Td key={column.name} {...props}>
                  {row.cells[i]}
                </Table.Td>
              ))}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}

const cellProps = ({ right, wide }: Column): { className?: string; visibleFrom?: "sm" } => ({
  ...(right === true ? { className: "right" } : {}),
  ...(wide === true ? { visibleFrom: "sm" as const } : {}),
});

/** A strategy's name, never broken, with the colour it has in the charts beside it. */
export function Name({ children, colour }: { children: string; colour?: string }) {
  return (
    <span className="name" data-name title={children}>
      {colour !== undefined && <span aria-hidden className="swatch" style={{ background: colour }} />}
      {children}
    </span>
  );
}
