import { clsx } from "clsx";
import { type ComponentProps, useId } from "react";
import { Input } from "@/ui";

/** A small input in a toolbar with its label before it. */
export function InlineField({ label, className, ...rest }: ComponentProps<"input"> & { label: string }) {
  const id = useId();
  return (
    <span className="flex flex-[0_1_auto] items-center gap-2 text-xs">
      <label htmlFor={id} className="text-text-light">
        {label}
      </label>
      <Input id={id} spellCheck={false} className={clsx("!h-[26px] !px-2 !text-xs", className)} {...rest} />
    </span>
  );
}
