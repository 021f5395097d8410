/** The only place where numbers and times become text. */
const MISSING = "–";

type Number = number | null | undefined;
const known = (value: Number): value is number => value !== null && value !== undefined;

const percent2 = new Intl.NumberFormat("en", { style: "percent", minimumFractionDigits: 2, maximumFractionDigits: 2 });
const percent1 = new Intl.NumberFormat("en", { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });
const signed2 = new Intl.NumberFormat("en", { style: "percent", minimumFractionDigits: 2, maximumFractionDigits: 2, signDisplay: "exceptZero" });

/** A share as a percentage: 0.1234 is "12.34%". */
export const share = (value: Number, digits?: 1): string =>
  known(value) ? (digits === 1 ? percent1 : percent2).format(value) : MISSING;

/** A change of a share, with its sign. */
export const change = (value: Number): string => (known(value) ? signed2.format(value) : MISSING);

/** A plain figure. */
export const figure = (value: Number, digits = 2): string =>
  known(value) ? value.toFixed(digits) : MISSING;

/** A share of NAV in basis points. */
export const bps = (value: Number): string => (known(value) ? `${(value * 1e4).toFixed(1)} bp` : MISSING);

/** An instant, without its seconds where they are none, in UTC. */
export function instant(text: string | null | undefined): string {
  if (text === null || text === undefined) return MISSING;
  const [day, clock = ""] = text.replace("Z", "").split("T");
  return clock.startsWith("00:00:00") ? (day ?? MISSING) : `${day} ${clock.slice(0, 8)} UTC`;
}

/** How long ago, in words. */
export function ago(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min ago`;
  return `${Math.round(seconds / 3600)} h ago`;
}
