/** What one rebalance may do otherwise than the policy says: objective, limits, risk. It stands in the URL. */
import { Fieldset, Select, SimpleGrid, TextInput } from "@mantine/core";
import type { Schemas } from "../api/client";
import type { SetSearch } from "../api/search";
import { plain } from "../units/words";

type Whole = Schemas["Overrides"];

/** As much of the API's overrides as is set; the rest keeps the default that its document tells. */
export interface Overrides {
  objective?: Partial<NonNullable<Whole["objective"]>>;
  constraints?: Partial<NonNullable<Whole["constraints"]>>;
}

const OBJECTIVES = ["min_variance", "mean_variance", "max_sharpe", "risk_parity", "max_diversification", "inverse_volatility", "min_cvar", "hrp", "kelly", "equal", "target_volatility"] as const;
type ObjectiveType = (typeof OBJECTIVES)[number];

interface Control {
  key: string;
  label: string;
  /** How many of the engine's units one unit of the field is. */
  unit: number;
}

/** Limits in percent; a field that is left empty follows the policy. */
const LIMITS = [
  { key: "weight_max", label: "Largest weight, %", unit: 0.01 },
  { key: "turnover_max", label: "Turnover of the trade, %", unit: 0.01 },
  { key: "volatility_max", label: "Volatility a year, %", unit: 0.01 },
  { key: "cvar_max", label: "Tail loss of a bar, %", unit: 0.01 },
] as const satisfies Control[];
const SETTINGS: Partial<Record<ObjectiveType, Control & { field: "risk_aversion" | "target" }>> = {
  mean_variance: { key: "risk_aversion", field: "risk_aversion", label: "Risk aversion", unit: 1 },
  target_volatility: { key: "target", field: "target", label: "Volatility aimed at, %", unit: 0.01 },
};

const isObjective = (name: string | null): name is ObjectiveType => OBJECTIVES.some((one) => one === name);

/** What the URL asks for beside the policy; null where it asks for nothing. */
export function overridesOf(search: URLSearchParams): Overrides | null {
  const asked: Overrides = {};
  const type = search.get("objective");
  if (isObjective(type)) {
    const setting = SETTINGS[type];
    const value = setting === undefined ? null : valueOf(search, setting);
    asked.objective = { type, ...(setting !== undefined && value !== null ? { [setting.field]: value } : {}) };
  }
  const limits = LIMITS.flatMap((control) => {
    const value = valueOf(search, control);
    return value === null ? [] : [[control.key, value]];
  });
  if (limits.length > 0) asked.constraints = Object.fromEntries(limits);
  return Object.keys(asked).length > 0 ? asked : null;
}

function valueOf(search: URLSearchParams, { key, unit }: Control): number | null {
  const text = search.get(key)?.trim() ?? "";
  const value = Number(text);
  return text === "" || !Number.isFinite(value) ? null : Number((value * unit).toPrecision(12));
}

interface ControlsProps {
  search: URLSearchParams;
  setSearch: SetSearch;
  /** What the policy asks for, once it is known. */
  policy: Schemas["Optimization"] | undefined;
}

export function Controls({ search, setSearch, policy }: ControlsProps) {
  const type = search.get("objective");
  const setting = isObjective(type) ? SETTINGS[type] : undefined;
  const held = (name: string): string => {
    const value = policy?.constraints[name];
    return typeof value === "number" ? `${Number((value * 100).toPrecision(6))} by the policy` : "no limit";
  };
  const field = ({ key, label }: Control, placeholder: string) => (
    <TextInput key={key} size="xs" type="number" min={0} step="any" label={label} placeholder={placeholder} value={search.get(key) ?? ""} onChange={(e) => setSearch({ [key]: e.currentTarget.value || null }, "silent")} />
  );
  return (
    <Fieldset legend="For this once, instead of the policy" p="sm">
      <SimpleGrid cols={{ base: 2, sm: 3 }} spacing="sm">
        <Select
          size="xs"
          label="Objective"
          clearable
          placeholder={`${plain(String(policy?.objective["type"] ?? "that"))} by the policy`}
          data={OBJECTIVES.map((value) => ({ value, label: plain(value) }))}
          value={type}
          onChange={(value) => setSearch({ objective: value, target: null, risk_aversion: null }, "silent")}
        />
        {setting !== undefined && field(setting, "")}
        {LIMITS.map((control) => field(control, held(control.key)))}
      </SimpleGrid>
    </Fieldset>
  );
}
