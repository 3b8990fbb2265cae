import { clsx } from "clsx";
import { type ComponentProps, type ReactNode, useId } from "react";

const CONTROL =
  "w-full rounded-md border border-line-strong bg-surface-100 px-3 text-sm text-text placeholder:text-text-muted " +
  "focus-visible:outline-2 focus-visible:outline-brand-line aria-invalid:border-danger disabled:opacity-60";

export function Input({ className, ...rest }: ComponentProps<"input">) {
  return <input className={clsx(CONTROL, "h-[34px]", className)} {...rest} />;
}

export function TextArea({ className, ...rest }: ComponentProps<"textarea">) {
  return <textarea className={clsx(CONTROL, "py-2 leading-5", className)} {...rest} />;
}

/** The platform's own select: the keyboard and screen readers know it. */
export function Select({ className, children, ...rest }: ComponentProps<"select">) {
  return (
    <select className={clsx(CONTROL, "h-[34px] pr-7", className)} {...rest}>
      {children}
    </select>
  );
}

export function Checkbox({ label, className, ...rest }: ComponentProps<"input"> & { label: ReactNode }) {
  return (
    <label className={clsx("inline-flex items-center gap-2 text-sm select-none", className)}>
      <input type="checkbox" className="size-4 accent-[var(--brand)]" {...rest} />
      {label}
    </label>
  );
}

export interface FieldProps {
  label: ReactNode;
  /** Shown below: what the field is for. */
  hint?: ReactNode;
  /** Shown below instead, and tied to the control. */
  error?: string | undefined;
  optional?: boolean;
  className?: string;
  /** Renders the control with the attributes that tie it to its label. */
  children: (control: {
    id: string;
    "aria-describedby"?: string | undefined;
    "aria-invalid"?: true | undefined;
  }) => ReactNode;
}

/** A labelled control with its hint or error. */
export function Field({ label, hint, error, optional, className, children }: FieldProps) {
  const id = useId();
  const described = error || hint ? `${id}-more` : undefined;
  return (
    <div className={clsx("flex flex-col gap-1.5", className)}>
      <label htmlFor={id} className="text-sm text-text-light">
        {label}
        {optional ? <span className="text-xs text-text-muted"> optional</span> : null}
      </label>
      {children({ id, "aria-describedby": described, "aria-invalid": error ? true : undefined })}
      {described ? (
        <p
          id={described}
          role={error ? "alert" : undefined}
          className={clsx("text-xs", error ? "text-danger" : "text-text-muted")}
        >
          {error ?? hint}
        </p>
      ) : null}
    </div>
  );
}
