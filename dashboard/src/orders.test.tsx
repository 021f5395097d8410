/** Orders are asked for once, errors are told as what they are, and a token can be given wherever one lands. */
import { MantineProvider } from "@mantine/core";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { render, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { MemoryRouter } from "react-router";
import { afterEach, describe, expect, it, vi } from "vitest";
import { download, token } from "./api/client";
import { App } from "./app";
import Rebalance from "./pages/rebalance";

type Answer = (path: string, init: RequestInit) => Response | Promise<Response>;

const json = (body: unknown, status = 200): Response => new Response(JSON.stringify(body), { status });
const headerOf = (init: RequestInit | undefined, name: string): string | null => new Headers(init?.headers).get(name);

/** Let the API answer so; gives what it was asked. */
function answered(answer: Answer) {
  const asked = vi.fn((path: RequestInfo | URL, init: RequestInit = {}) => Promise.resolve(answer(String(path), init)));
  vi.stubGlobal("fetch", asked);
  return asked;
}

function show(content: React.ReactNode, at = "/"): void {
  const queries = new QueryClient({ defaultOptions: { queries: { retry: false }, mutations: { retryDelay: 1 } } });
  render(
    <MantineProvider>
      <QueryClientProvider client={queries}>
        <MemoryRouter initialEntries={[at]}>{content}</MemoryRouter>
      </QueryClientProvider>
    </MantineProvider>,
  );
}

const PREVIEW = {
  portfolio_id: "main",
  as_of: "2024-02-11T00:00:00Z",
  bar_end: "2024-02-11T00:00:00Z",
  bar_number: 40,
  current: true,
  version: "1.8.40.1.7",
  status: "live",
  command: null,
  decision: { outcome: "accepted", objective: "min_variance", ex_ante: null, stages: null, binding: [], strategies: [] },
};

afterEach(() => {
  vi.unstubAllGlobals();
  sessionStorage.clear();
  document.body.innerHTML = "";
});

describe("an order", () => {
  const lost: Answer = (path) => {
    if (path.startsWith("/portfolio/preview")) return json(PREVIEW);
    if (path.startsWith("/portfolio/rebalance")) throw new TypeError("Failed to fetch");
    return json({ detail: "not now" }, 503);
  };

  it("whose answer was lost is asked for again as the same order", async () => {
    const asked = answered(lost);
    show(<Rebalance portfolio="main" />);
    await userEvent.click(screen.getByRole("button", { name: "Preview" }));
    const confirm = screen.getByRole("button", { name: "Confirm" });
    const keys = () => asked.mock.calls.filter(([path]) => String(path).startsWith("/portfolio/rebalance?")).map(([, init]) => headerOf(init, "Idempotency-Key"));
    for (const attempts of [3, 6]) {
      await waitFor(() => expect(confirm.hasAttribute("disabled")).toBe(false));
      await userEvent.click(confirm);
      await waitFor(() => expect(keys().length).toBe(attempts));
      expect((await screen.findByText(/may have been taken/)).textContent).toContain("no second one");
    }
    expect(new Set(keys()).size).toBe(1);
  });

  it("that is refused is not said to be tried again", async () => {
    answered((path, init) => (path.startsWith("/portfolio/rebalance") ? json({ detail: "token 'ann' has read" }, 403) : lost(path, init)));
    show(<Rebalance portfolio="main" />);
    await userEvent.click(screen.getByRole("button", { name: "Preview" }));
    const confirm = screen.getByRole("button", { name: "Confirm" });
    await waitFor(() => expect(confirm.hasAttribute("disabled")).toBe(false));
    await userEvent.click(confirm);
    const said = await screen.findByText(/token 'ann' has read/);
    expect(said.textContent).not.toContain("tried again");
  });

  it("that nobody knows of has no status", async () => {
    answered(() => json({ detail: "there is no request" }, 404));
    show(<Rebalance portfolio="main" />, "/rebalance?request=api-1");
    await screen.findByText(/Nothing is known of this order yet/);
    expect(screen.getByTestId("lifecycle").dataset["status"]).toBe("unknown");
  });
});

describe("a token", () => {
  it("is asked for where a link names the portfolio", async () => {
    answered(() => json({ detail: "this needs a token" }, 401));
    show(<App />, "/?portfolio=main");
    expect(await screen.findByLabelText(/Token/)).toBeTruthy();
  });

  it("goes with a table that is kept as a file", async () => {
    token.set("secret");
    const asked = answered(() => new Response("a,b\n1,2\n"));
    vi.stubGlobal("URL", Object.assign(URL, { createObjectURL: () => "blob:x", revokeObjectURL: () => undefined }));
    await download("/portfolio/history", { limit: 500 }, "decisions.csv");
    const [, init] = asked.mock.calls[0] ?? [];
    expect([headerOf(init, "Authorization"), headerOf(init, "Accept")]).toEqual(["Bearer secret", "text/csv"]);
  });
});
