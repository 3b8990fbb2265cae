import { clsx } from "clsx";
import { LoaderCircle } from "lucide-react";
import type { ComponentProps, ReactNode } from "react";

const KINDS = {
  primary: "bg-brand-button text-text border-brand-line hover:brightness-110",
  default: "bg-surface-200 text-text border-line-strong hover:bg-surface-300",
  danger: "bg-danger-button text-text border-danger hover:brightness-110",
  outline: "bg-transparent text-text border-line-strong hover:bg-surface-200",
  text: "bg-transparent text-text-light border-transparent hover:bg-surface-200 hover:text-text",
} as const;

const SIZES = { tiny: "h-[26px] px-2.5 text-xs", small: "h-[34px] px-3 text-sm" } as const;

export interface ButtonProps extends ComponentProps<"button"> {
  kind?: keyof typeof KINDS;
  size?: keyof typeof SIZES;
  icon?: ReactNode;
  /** Shows that it works, and can't be pressed meanwhile. */
  loading?: boolean;
}

/** A button; `type` is `button` unless said, so that none submits a form by accident. */
export function Button({
  kind = "default",
  size = "tiny",
  icon,
  loading = false,
  disabled,
  className,
  children,
  type = "button",
  ...rest
}: ButtonProps) {
  return (
    <button
      // Another element where the type is another: one that its own click turned into a form's would submit the form.
      key={type}
      type={type}
      disabled={disabled || loading}
      aria-busy={loading || undefined}
      className={clsx(
        "inline-flex items-center justify-center gap-1.5 rounded-md border font-medium whitespace-nowrap",
        "transition-colors disabled:opacity-50 disabled:cursor-not-allowed select-none",
        KINDS[kind],
        SIZES[size],
        className,
      )}
      {...rest}
    >
      {loading ? <LoaderCircle size={14} className="animate-spin" aria-hidden /> : icon}
      {children}
    </button>
  );
}

/** A button with an icon alone; `label` is what assistive technology says, and the tooltip. */
export function IconButton({
  label,
  className,
  children,
  ...rest
}: Omit<ButtonProps, "icon"> & { label: string }) {
  return (
    <Button
      kind="text"
      aria-label={label}
      title={label}
      className={clsx("!px-1.5", className)}
      icon={children}
      {...rest}
    />
  );
}
