import { RefreshCw } from "lucide-react";
import type { ReactNode } from "react";
import { IconButton } from "./button";
import { Failure, Loading } from "./states";

/** A question to the server, as React Query keeps it. */
interface Question {
  isPending: boolean;
  isError: boolean;
  isFetching: boolean;
  error: unknown;
  refetch: () => unknown;
}

/** What stands in the place of an answer: what is being done while there is none yet, and why there is none. */
export function Asked({
  of,
  className = "m-4",
  children,
}: {
  of: Question;
  /** Of the failure. */
  className?: string;
  /** What is being done. */
  children: ReactNode;
}) {
  return (
    <>
      {of.isPending ? <Loading>{children}</Loading> : null}
      {of.isError ? <Failure className={className} error={of.error} onRetry={() => of.refetch()} /> : null}
    </>
  );
}

/** Asks again. */
export function Reload({ of, label = "Reload" }: { of: Question; label?: string }) {
  return (
    <IconButton label={label} loading={of.isFetching} onClick={() => of.refetch()}>
      <RefreshCw size={14} aria-hidden />
    </IconButton>
  );
}
