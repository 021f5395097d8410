/** What the pages ask for. Live events make the answers be asked for again; see live.ts. */
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { order, Problem, read, type Query, type Schemas } from "./client";

/** Ask about a portfolio. */
function useAbout<Kind extends keyof Schemas>(kind: Kind, portfolio: string, name: string, path: string, rest: Query = {}, enabled = true) {
  return useQuery({
    enabled,
    queryKey: [portfolio, name, path, rest],
    queryFn: () => read(kind, path, { portfolio_id: portfolio, ...rest }),
  });
}

export const usePortfolios = () =>
  useQuery({ queryKey: ["portfolios"], queryFn: () => read("Portfolios", "/portfolios"), refetchInterval: 5_000 });

export const useWeights = (portfolio: string) => useAbout("Weights", portfolio, "weights", "/portfolio/weights");

const POINTS = 2_000;

export const usePerformance = (portfolio: string) =>
  useAbout("Performance", portfolio, "performance", "/portfolio/performance", { max_points: POINTS });

export const useHistory = (portfolio: string, filter: Query) =>
  useAbout("History", portfolio, "history", "/portfolio/history", filter);

export const useOptimization = (portfolio: string) =>
  useAbout("Optimization", portfolio, "optimization", "/portfolio/optimization");

export const useCovariance = (portfolio: string) =>
  useAbout("Covariance", portfolio, "covariance", "/portfolio/covariance");

/** The covariance as it was known at a bar of the past; null asks for the newest. */
export const useCovarianceAt = (portfolio: string, bar: string | null) => {
  // The API takes those before an instant: the bar's own is one second before this one.
  const at: Query = bar === null ? {} : { at: new Date(Date.parse(bar) + 1_000).toISOString() };
  return useQuery({
    queryKey: [portfolio, bar === null ? "covariance" : "covariance of the past", at],
    placeholderData: keepPreviousData,
    queryFn: () => read("Covariance", "/portfolio/covariance", { portfolio_id: portfolio, ...at }),
  });
};

export const useStrategy = (portfolio: string, id: string) =>
  useAbout("StrategyDetail", portfolio, "strategies", `/strategies/${encodeURIComponent(id)}`);

/** Thinned as the performance is, so that both tell of the same bars; asked for only where it is wanted. */
export const useShadows = (portfolio: string, wanted = true) =>
  useAbout("Shadows", portfolio, "shadows", "/portfolio/shadows", { max_points: POINTS }, wanted);

const SOLVED_EVERY_MS = 15_000;

/** The frontier within the policy's limits. It costs solves: asked for now and then, not at each bar. */
export const useFrontier = (portfolio: string) =>
  useQuery({
    queryKey: ["frontier", portfolio],
    staleTime: SOLVED_EVERY_MS,
    refetchInterval: SOLVED_EVERY_MS,
    queryFn: () => read("Frontier", "/portfolio/frontier", { portfolio_id: portfolio }),
  });

/** The frontier within the limits of a preview, of the version and bar that it was made at. */
export const useFrontierWithin = (portfolio: string, version: string, overrides: unknown) =>
  useQuery({
    queryKey: ["frontier", portfolio, version, overrides],
    staleTime: Infinity,
    queryFn: () => order("Frontier", "/portfolio/frontier", { portfolio_id: portfolio }, { overrides }),
  });

export const useStrategies = (portfolio: string) => useAbout("Strategies", portfolio, "strategies", "/strategies");

export const useAudit = (portfolio: string) => useAbout("Audit", portfolio, "audit", "/portfolio/audit");

export const useDecision = (id: string) =>
  useQuery({
    queryKey: ["decision", id],
    queryFn: () => read("DecisionDetail", `/portfolio/decisions/${encodeURIComponent(id)}`),
  });

const UNDER_WAY = ["proposed", "published", "acked"];

/** What became of an order; asked for until it has ended. It is null until the views have heard of it. */
export const useRebalance = (id: string) =>
  useQuery({
    queryKey: ["rebalance", id],
    refetchInterval: (query) => (UNDER_WAY.includes(query.state.data?.status ?? "proposed") ? 400 : false),
    queryFn: () =>
      read("RequestAnswer", `/portfolio/rebalances/${encodeURIComponent(id)}`).catch((error: unknown) => {
        if (error instanceof Problem && error.status === 404) return null;
        throw error;
      }),
  });
