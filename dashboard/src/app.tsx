/** The frame of every page: navigation, which portfolio, how fresh what is shown is. */
import { Anchor, AppShell, Badge, Burger, Group, NavLink, PasswordInput, Button, Select, Stack, Text, Title, useComputedColorScheme, useMantineColorScheme } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { lazy, Suspense, useEffect, useState, type ComponentType, type FormEvent } from "react";
import { NavLink as RouterLink, Route, Routes, useLocation, useSearchParams } from "react-router";
import { Problem, token } from "./api/client";
import { useLive, type Live } from "./api/live";
import { usePortfolios } from "./api/queries";
import { Overview } from "./pages/overview";
import { Failure, Waiting } from "./ui/states";
import { ago, instant } from "./units/format";
import { plain } from "./units/words";

export interface PageProps {
  portfolio: string;
}

const PAGES: { path: string; name: string; page: ComponentType<PageProps> }[] = [
  { path: "/", name: "Overview", page: Overview },
  { path: "/rebalance", name: "Rebalance", page: lazy(() => import("./pages/rebalance")) },
  { path: "/history", name: "History", page: lazy(() => import("./pages/history")) },
  { path: "/risk", name: "Risk", page: lazy(() => import("./pages/risk")) },
  { path: "/strategies", name: "Strategies", page: lazy(() => import("./pages/strategies")) },
  { path: "/optimizer", name: "Optimizer", page: lazy(() => import("./pages/optimizer")) },
  { path: "/audit", name: "Audit", page: lazy(() => import("./pages/audit")) },
];

export function App() {
  const [opened, { toggle, close }] = useDisclosure(false);
  const [search, setSearch] = useSearchParams();
  const portfolios = usePortfolios();
  const listed = portfolios.data?.portfolios ?? [];
  const portfolio = search.get("portfolio") ?? listed[0]?.portfolio_id ?? null;
  const here = useLocation().pathname;
  return (
    <AppShell header={{ height: 52 }} navbar={{ width: 170, breakpoint: "sm", collapsed: { mobile: !opened } }} padding="md">
      <AppShell.Header>
        <Group h="100%" px="md" justify="space-between" wrap="nowrap">
          <Group gap="xs" wrap="nowrap">
            <Burger opened={opened} onClick={toggle} hiddenFrom="sm" size="sm" aria-label="Navigation" />
            <Title order={1} size="h4" visibleFrom="sm">
              Portfolio of strategies
            </Title>
          </Group>
          <Group gap="xs" wrap="nowrap">
            {listed.length > 1 && (
              <Select
                aria-label="Portfolio"
                size="xs"
                data={listed.map((p) => p.portfolio_id)}
                value={portfolio}
                onChange={(name) => name !== null && setSearch({ portfolio: name })}
              />
            )}
            <SchemeButton />
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Navbar p="xs">
        <nav aria-label="Pages">
          {PAGES.map(({ path, name }) => (
            <NavLink
              key={path}
              component={RouterLink}
              to={{ pathname: path, search: portfolio === null ? "" : `?portfolio=${portfolio}` }}
              label={name}
              active={here === path}
              aria-current={here === path ? "page" : undefined}
              onClick={close}
            />
          ))}
        </nav>
      </AppShell.Navbar>
      <AppShell.Main>
        {portfolios.error !== null && (portfolio === null || isRefused(portfolios.error)) ? (
          <Stopped error={portfolios.error} />
        ) : portfolio === null ? (
          <NoPortfolio waiting={portfolios.isPending} />
        ) : (
          <Page key={portfolio} portfolio={portfolio} />
        )}
      </AppShell.Main>
    </AppShell>
  );
}

function Page({ portfolio }: PageProps) {
  const live = useLive(portfolio);
  return (
    <Stack gap="md">
      <StatusStrip portfolio={portfolio} live={live} />
      <Suspense fallback={<Waiting />}>
        <Routes>
          {PAGES.map(({ path, page: Content }) => (
            <Route key={path} path={path} element={<Content portfolio={portfolio} />} />
          ))}
        </Routes>
      </Suspense>
    </Stack>
  );
}

const COLOURS: Record<string, string> = { live: "green", warming_up: "blue", stale: "orange", degraded: "red" };

/** Whether the numbers are fresh, in words and colour. */
function StatusStrip({ portfolio, live }: PageProps & { live: Live }) {
  const now = useNow(1_000);
  const line = usePortfolios().data?.portfolios.find((p) => p.portfolio_id === portfolio);
  const status = live.connected ? (line?.status ?? "degraded") : "degraded";
  useEffect(() => {
    document.title = `${status === "live" ? "" : `${status} · `}${portfolio}`;
  }, [status, portfolio]);
  return (
    <Group gap="xs" role="status" aria-label="Freshness" data-status={status}>
      <Badge color={COLOURS[status] ?? "gray"} variant="filled" autoContrast>
        {plain(status)}
      </Badge>
      <Text size="sm">{portfolio}</Text>
      {line !== undefined && (
        <Text size="sm" c="dimmed">
          newest bar {instant(line.as_of)}
          {line.mode === "live" || line.mode === status ? "" : ` · ${plain(line.mode ?? "no bar yet")}`}
        </Text>
      )}
      <Text size="sm" c="dimmed">
        {live.connected && live.heardAt !== null ? `heard ${ago(now - live.heardAt)}` : "reconnecting …"}
      </Text>
    </Group>
  );
}

function useNow(every: number): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), every);
    return () => clearInterval(timer);
  }, [every]);
  return now;
}

function SchemeButton() {
  const { setColorScheme } = useMantineColorScheme();
  const next = useComputedColorScheme("light") === "dark" ? "light" : "dark";
  return (
    <Button size="compact-xs" variant="default" onClick={() => setColorScheme(next)}>
      {next === "dark" ? "Dark" : "Light"}
    </Button>
  );
}

function NoPortfolio({ waiting }: { waiting: boolean }) {
  if (waiting) return <Waiting />;
  return (
    <Text>
      No portfolio is registered yet. <code>apse up --portfolio FILE</code> registers one; <code>apse demo</code> shows one at work.
    </Text>
  );
}

const isRefused = (error: Error): boolean => error instanceof Problem && (error.status === 401 || error.status === 403);

/** The API refuses or is away; where it asks for a token, one can be given. */
function Stopped({ error }: { error: Error }) {
  const [text, setText] = useState("");
  if (!isRefused(error)) return <Failure error={error} />;
  const use = (event: FormEvent): void => {
    event.preventDefault();
    token.set(text);
    location.reload();
  };
  return (
    <form onSubmit={use}>
      <Stack maw={420}>
        <Text>{error.message}</Text>
        <PasswordInput label="Token" value={text} onChange={(e) => setText(e.currentTarget.value)} required />
        <Button type="submit">Use it in this tab</Button>
        <Anchor href="#/" size="sm">
          The token stays in this tab and goes with it.
        </Anchor>
      </Stack>
    </form>
  );
}
