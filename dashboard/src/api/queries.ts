/** What the pages ask for. Live events make the answers be asked for again; see live.ts. */
import { useQuery } from "@tanstack/react-query";
import { Problem, read, type Query, type Schemas } from "./client";

/** Ask about a portfolio. */
function useAbout<Kind extends keyof Schemas>(kind: Kind, portfolio: string, name: string, path: string, rest: Query = {}) {
  return useQuery({
    queryKey: [portfolio, name, rest],
    queryFn: () => read(kind, path, { portfolio_id: portfolio, ...rest }),
  });
}

export const usePortfolios = () =>
  useQuery({ queryKey: ["portfolios"], queryFn: () => read("Portfolios", "/portfolios"), refetchInterval: 5_000 });

export const useWeights = (portfolio: string) => useAbout("Weights", portfolio, "weights", "/portfolio/weights");

export const usePerformance = (portfolio: string) =>
  useAbout("Performance", portfolio, "performance", "/portfolio/performance");

export const useHistory = (portfolio: string, filter: Query) =>
  useAbout("History", portfolio, "history", "/portfolio/history", filter);

export const useOptimization = (portfolio: string) =>
  useAbout("Optimization", portfolio, "optimization", "/portfolio/optimization");

export const useCovariance = (portfolio: string) =>
  useAbout("Covariance", portfolio, "covariance", "/portfolio/covariance");

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
