/** Requests to the API; the shapes of its answers come from its own document. */
import type { components } from "./schema";

export type Schemas = components["schemas"];
export type Freshness = Schemas["Weights"]["status"];
export type Lifecycle = Schemas["HistoryLine"]["lifecycle"];
export type Query = Record<string, string | number>;

const TOKEN_KEY = "apse-token";

/** The bearer token of this tab; it goes when the tab closes. */
export const token = {
  get: (): string | null => sessionStorage.getItem(TOKEN_KEY),
  set: (text: string): void => sessionStorage.setItem(TOKEN_KEY, text),
};

/** What the API said was wrong, in its own words. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    detail: string,
  ) {
    super(detail);
    this.name = "Problem";
  }
}

/** Headers that say who asks. */
export function whoAsks(): Record<string, string> {
  const held = token.get();
  return held === null ? {} : { Authorization: `Bearer ${held}` };
}

/** Read an answer of a kind that the API's document names. */
export async function read<Kind extends keyof Schemas>(_: Kind, path: string, query: Query = {}): Promise<Schemas[Kind]> {
  const answer = await fetch(path + queryOf(query), { headers: { Accept: "application/json", ...whoAsks() } });
  return (await bodyOf(answer)) as Schemas[Kind];
}

/** Read a table and let the browser keep it as a file. A link could not send a token. */
export async function download(path: string, query: Query, name: string): Promise<void> {
  const answer = await fetch(path + queryOf(query), { headers: { Accept: "text/csv", ...whoAsks() } });
  if (!answer.ok) await bodyOf(answer);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await answer.blob());
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

/** Send an order; the answer is of a kind that the API's document names. */
export async function order<Kind extends keyof Schemas>(
  _: Kind,
  path: string,
  query: Query,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Schemas[Kind]> {
  const answer = await fetch(path + queryOf(query), {
    method: "POST",
    headers: { "Content-Type": "application/json", ...whoAsks(), ...headers },
    body: JSON.stringify(body),
  });
  return (await bodyOf(answer)) as Schemas[Kind];
}

function queryOf(query: Query): string {
  const pairs = Object.entries(query).map(([key, value]) => [key, String(value)]);
  return pairs.length > 0 ? `?${new URLSearchParams(pairs)}` : "";
}

async function bodyOf(answer: Response): Promise<unknown> {
  const body: unknown = await answer.json().catch(() => null);
  if (answer.ok && body !== null) return body;
  const told = typeof body === "object" && body !== null && "detail" in body ? String(body.detail) : "";
  throw new Problem(answer.status, told || `the API answered ${answer.status}`);
}
