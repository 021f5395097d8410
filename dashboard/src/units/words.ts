/** What the engine tells in terms, said in words. */
import type { Schemas } from "../api/client";
import { figure, instant, share } from "./format";

/** Why a decision was looked for, in words. */
export function triggerWords(trigger: Record<string, unknown>): string {
  const { kind, value, threshold, reason } = trigger;
  const why = reason ? `: ${String(reason)}` : "";
  switch (kind) {
    case "schedule":
      return `${String(threshold)} schedule`;
    case "drift":
    case "drift_risk":
    case "drawdown":
      return `${plain(kind)} ${share(Number(value))} above ${share(Number(threshold))}`;
    case "turbulence":
    case "correlation_break":
    case "volatility_regime":
      return `${plain(kind)} ${figure(Number(value))} above ${figure(Number(threshold))}`;
    default:
      return `${plain(String(kind))}${why}`;
  }
}

/** A term of the engine without its underscores. */
export const plain = (term: string): string => term.replaceAll("_", " ");

const LIMITS: Record<string, string> = {
  weight_max: "the largest weight",
  weight_min: "the least weight",
  turnover_max: "the turnover of one trade",
  volatility_max: "the volatility",
  cvar_max: "the tail loss",
  leverage_max: "the leverage",
  risk_contribution_max: "the share of risk",
};

const GROUPS: Record<string, string> = { families: "family", accounts: "account", tags: "tag", factors: "factor" };

type Binding = Schemas["BindingLimit"];

/** A limit that held a decision back, and what an easier one would be worth. */
export function bindingWords({ constraint, side, price, strategy }: Binding): string {
  const [group = constraint, ...named] = constraint.split(".");
  const what = LIMITS[constraint] ?? (named.length > 0 ? `the limit of the ${GROUPS[group] ?? plain(group)} ${plain(named.join("."))}` : plain(constraint));
  const whom = strategy ? ` of ${strategy}` : "";
  const worth = price === null || price === undefined ? "" : `; a unit more room is worth ${figure(Math.abs(price), 6)} of the objective`;
  return `${what.charAt(0).toUpperCase()}${what.slice(1)}${whom} is at its ${side === "min" ? "least" : "most"}${worth}.`;
}

/** What a decision came to, in a sentence. */
export function outcomeWords(decision: Schemas["Decision"]): string {
  const when = `At the bar ending ${instant(decision.bar_end)}: ${triggerWords({ ...decision.trigger })}.`;
  if (decision.outcome === "declined") return `${when} Declined: ${plain(decision.reason)}. The held weights stay.`;
  return `${when} Accepted: ${plain(decision.objective)} by ${decision.solver}.`;
}
