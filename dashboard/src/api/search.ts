/** What is looked at stands in the URL: a reload or a link shows the same. */
import { useCallback } from "react";
import { useSearchParams } from "react-router";

/** Change what is named and leave the rest; null takes it out. With `silent` no step back is made of it. */
export type SetSearch = (changes: Record<string, string | null>, silent?: "silent") => void;

export function useSearch(): [URLSearchParams, SetSearch] {
  const [search, setParams] = useSearchParams();
  const set: SetSearch = useCallback(
    (changes, silent) =>
      setParams(
        (held) => {
          const next = new URLSearchParams(held);
          for (const [key, value] of Object.entries(changes)) {
            if (value === null) next.delete(key);
            else next.set(key, value);
          }
          return next;
        },
        { replace: silent !== undefined },
      ),
    [setParams],
  );
  return [search, set];
}
