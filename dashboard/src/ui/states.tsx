/** What is shown while there is nothing to show. */
import { Alert, Skeleton, Stack } from "@mantine/core";
import type { ReactNode } from "react";

export function Waiting() {
  return (
    <Stack aria-busy="true" aria-label="Loading">
      <Skeleton h={28} w="40%" />
      <Skeleton h={180} />
      <Skeleton h={120} />
    </Stack>
  );
}

export function Failure({ error }: { error: Error }) {
  return (
    <Alert color="red" title="This could not be read" role="alert">
      {error.message}. It is tried again by itself.
    </Alert>
  );
}

/** What an order or a preview met; nobody sends it again by itself. */
export function Refusal({ error }: { error: Error }) {
  return (
    <Alert color="red" title="This was not taken" role="alert">
      {error.message}
    </Alert>
  );
}

/** An order whose answer was lost: it may have been taken, and the same click asks for the same order. */
export function Unheard({ error }: { error: Error }) {
  return (
    <Alert color="orange" title="Nobody answered" role="alert">
      {error.message}. It may have been taken all the same: Confirm asks for the same order again, and makes no second one.
    </Alert>
  );
}

interface Asked<T> {
  data: T | undefined;
  error: Error | null;
}

/** The content once its data are there; the old data while newer ones cannot be had. */
export function Ready<T>({ of, children }: { of: Asked<T>; children: (data: T) => ReactNode }) {
  if (of.data !== undefined) return <>{children(of.data)}</>;
  return of.error !== null ? <Failure error={of.error} /> : <Waiting />;
}
