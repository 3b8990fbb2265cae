import { clsx } from "clsx";
import type { ReactNode } from "react";

/** What scrolls inside a page, by the keyboard, too. */
export function Scroll({
  label,
  className,
  children,
}: {
  label: string;
  className?: string;
  children: ReactNode;
}) {
  return (
    <section
      aria-label={label}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls can be scrolled by the keyboard
      tabIndex={0}
      className={clsx("overflow-y-auto", className)}
    >
      {children}
    </section>
  );
}
