/** One connection to the live events of a portfolio; it comes back by itself. */
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { whoAsks } from "./client";

export interface Live {
  connected: boolean;
  /** When the newest event came, in the browser's milliseconds; null before the first. */
  heardAt: number | null;
}

const RETRY_MS = 1_000;
/** The API says something every 15 s; a connection that says nothing for longer is a dead one. */
const SILENT_MS = 40_000;
const REFRESH_MS = 400;
const TOUCHES: Record<string, string[]> = {
  weights: ["weights", "strategies"],
  performance: ["performance", "shadows"],
  optimization: ["optimization", "history", "covariance"],
  rebalance: ["history", "optimization", "audit"],
};

/** Follow a portfolio's live events: what they touch is asked for again, at most 2.5 times a second. */
export function useLive(portfolio: string): Live {
  const queries = useQueryClient();
  const [live, setLive] = useState<Live>({ connected: false, heardAt: null });
  useEffect(() => {
    const stop = new AbortController();
    const touched = new Set<string>();
    const timer = setInterval(() => {
      for (const kind of touched) void queries.invalidateQueries({ queryKey: [portfolio, kind] });
      touched.clear();
    }, REFRESH_MS);
    const hear = (kind: string): void => {
      setLive({ connected: true, heardAt: Date.now() });
      if (kind === "reset") void queries.invalidateQueries();
      for (const name of TOUCHES[kind] ?? []) touched.add(name);
    };
    void follow(portfolio, stop.signal, hear, () => {
      setLive((now) => ({ ...now, connected: false }));
      void queries.invalidateQueries();
    });
    return () => {
      clearInterval(timer);
      stop.abort();
    };
  }, [portfolio, queries]);
  return live;
}

/** Read events until told to stop. `fetch` and no EventSource: that cannot send a token. */
async function follow(
  portfolio: string,
  signal: AbortSignal,
  hear: (kind: string) => void,
  lost: () => void,
): Promise<void> {
  let last = "";
  const note = (kind: string, id: string): void => {
    if (id !== "") last = id;
    if (kind !== "") hear(kind);
  };
  while (!signal.aborted) {
    try {
      await listen(portfolio, last, signal, note);
    } catch {
      // a connection that ends badly is one that ends
    }
    if (signal.aborted) return;
    lost();
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

async function listen(
  portfolio: string,
  last: string,
  signal: AbortSignal,
  note: (kind: string, id: string) => void,
): Promise<void> {
  const headers: Record<string, string> = { Accept: "text/event-stream", ...whoAsks() };
  if (last !== "") headers["Last-Event-ID"] = last;
  const silent = new AbortController();
  let timer = setTimeout(() => silent.abort(), SILENT_MS);
  const answer = await fetch(`/portfolio/stream?portfolio_id=${portfolio}`, { headers, signal: AbortSignal.any([signal, silent.signal]) });
  if (!answer.ok || answer.body === null) throw new Error(`the stream answered ${answer.status}`);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    clearTimeout(timer);
    if (done) return;
    timer = setTimeout(() => silent.abort(), SILENT_MS);
    text += value;
    const events = text.split("\n\n");
    text = events.pop() ?? "";
    for (const event of events) {
      const { kind, id } = parseEvent(event);
      note(kind, id);
    }
  }
}

/** Read the id and the kind of one server-sent event. */
export function parseEvent(text: string): { id: string; kind: string } {
  const field = (name: string): string =>
    text.split("\n").find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2) ?? "";
  return { id: field("id"), kind: field("event") };
}
