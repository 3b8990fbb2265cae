import { clsx } from "clsx";
import { Tabs as Radix } from "radix-ui";
import type { ReactNode } from "react";

export interface Tab {
  value: string;
  label: ReactNode;
  content: ReactNode;
}

/** Tabs in Studio's manner: a line under the chosen one. Only the chosen content is mounted. */
export function Tabs({
  tabs,
  value,
  onChange,
  label,
  className,
}: {
  tabs: readonly Tab[];
  value: string;
  onChange: (value: string) => void;
  /** Says what they choose between, to assistive technology. */
  label: string;
  className?: string;
}) {
  return (
    <Radix.Root value={value} onValueChange={onChange} className={clsx("flex min-h-0 flex-col", className)}>
      <Radix.List aria-label={label} className="flex gap-5 border-b px-5">
        {tabs.map((tab) => (
          <Radix.Trigger
            key={tab.value}
            value={tab.value}
            className="-mb-px border-b-2 border-transparent py-2 text-sm text-text-light hover:text-text data-[state=active]:border-text data-[state=active]:text-text"
          >
            {tab.label}
          </Radix.Trigger>
        ))}
      </Radix.List>
      {tabs.map((tab) => (
        <Radix.Content
          key={tab.value}
          value={tab.value}
          className="min-h-0 flex-1 outline-none"
          tabIndex={-1}
        >
          {tab.content}
        </Radix.Content>
      ))}
    </Radix.Root>
  );
}
