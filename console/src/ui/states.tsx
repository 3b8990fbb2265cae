import { ApiError } from "@studio-databases/client";
import { clsx } from "clsx";
import { CircleAlert, LoaderCircle } from "lucide-react";
import type { ReactNode } from "react";
import { Button } from "./button";

/** Nothing there (yet), and what to do about it. */
export function Empty({
  title,
  children,
  action,
}: {
  title: string;
  children?: ReactNode;
  action?: ReactNode;
}) {
  return (
    <div className="flex flex-col items-center justify-center gap-2 px-6 py-14 text-center">
      <p className="text-sm text-text">{title}</p>
      {children ? <div className="max-w-md text-sm text-text-light">{children}</div> : null}
      {action ? <div className="mt-2">{action}</div> : null}
    </div>
  );
}

/** What failed, why, and how to go on. */
export function Failure({
  error,
  onRetry,
  className,
}: {
  error: unknown;
  onRetry?: () => void;
  className?: string;
}) {
  const known = error instanceof ApiError ? error : undefined;
  return (
    <div
      role="alert"
      className={clsx(
        "flex items-start gap-3 rounded-md border border-danger bg-danger-surface p-3 text-sm",
        className,
      )}
    >
      <CircleAlert size={16} className="mt-0.5 shrink-0 text-danger" aria-hidden />
      <div className="min-w-0 flex-1">
        <p className="break-words text-text">{error instanceof Error ? error.message : String(error)}</p>
        {known?.hint ? <p className="mt-0.5 break-words text-text-light">{known.hint}</p> : null}
        {known && known.status >= 500 && known.requestId ? (
          <p className="mt-0.5 text-xs text-text-muted">Request {known.requestId}</p>
        ) : null}
      </div>
      {onRetry ? <Button onClick={onRetry}>Try again</Button> : null}
    </div>
  );
}

/** Work that goes on. */
export function Loading({ children = "Loading…", className }: { children?: ReactNode; className?: string }) {
  return (
    <div role="status" className={clsx("flex items-center gap-2 p-4 text-sm text-text-light", className)}>
      <LoaderCircle size={14} className="animate-spin" aria-hidden />
      {children}
    </div>
  );
}

/** A grey bar in the place of what comes. */
export function Skeleton({ className }: { className?: string }) {
  return <div aria-hidden className={clsx("animate-pulse rounded bg-surface-300", className)} />;
}

const TONES = {
  neutral: "border-line-strong text-text-light bg-surface-200",
  good: "border-brand-line text-brand-text bg-transparent",
  warning: "border-warning text-warning bg-warning-surface",
  bad: "border-danger text-danger bg-danger-surface",
  info: "border-info text-info bg-transparent",
} as const;

/** A short mark: a type, a state. */
export function Badge({
  tone = "neutral",
  className,
  children,
}: {
  tone?: keyof typeof TONES;
  className?: string;
  children: ReactNode;
}) {
  return (
    <span
      className={clsx(
        "inline-flex items-center rounded-full border px-2 py-px text-[11px] leading-4 whitespace-nowrap",
        TONES[tone],
        className,
      )}
    >
      {children}
    </span>
  );
}
