/** What is around every page: the product menu, who is signed in, and the page to sign in where nobody is. */

import { sessionQuery, useMay } from "@studio-databases/client/react";
import { type ErrorComponentProps, Link, Outlet } from "@tanstack/react-router";
import { clsx } from "clsx";
import { Database, KeyRound, LogOut, Moon, ScrollText, Sun, UserRound } from "lucide-react";
import type { ReactNode } from "react";
import { useEffect } from "react";
import { SignIn } from "@/pages/sign-in";
import { Empty, Failure, IconButton, Loading, Menu, toast } from "@/ui";
import { api, onSignedOut, queries } from "./api";
import { projectRef } from "./place";
import { signOut, useKeptSession } from "./session";
import { useTheme } from "./theme";

export function Shell() {
  const session = useKeptSession();
  useEffect(() => onSignedOut(() => queries.setQueryData(sessionQuery(api).queryKey, null)), []);

  if (session.isPending) return <Loading className="h-full justify-center" />;
  if (session.isError) {
    return (
      <main className="mx-auto max-w-xl p-10">
        <Failure error={session.error} onRetry={() => session.refetch()} />
      </main>
    );
  }
  if (session.data === null) return <SignIn />;
  return (
    <div className="flex h-full">
      <a href="#main" className="absolute -left-full z-50 m-2 rounded bg-brand-button px-3 py-2 focus:left-0">
        Skip to the content
      </a>
      <Rail />
      <div className="flex min-w-0 flex-1 flex-col">
        <Header subject={session.data.subject} role={session.data.role} />
        <main id="main" className="flex min-h-0 flex-1 flex-col">
          <Outlet />
        </main>
      </div>
    </div>
  );
}

function Rail() {
  const may = useMay();
  return (
    <nav
      aria-label="Product"
      className="flex w-12 shrink-0 flex-col items-center gap-1 border-r bg-surface-100 py-2"
    >
      <RailLink to="/databases" label="Databases" icon={<Database size={18} aria-hidden />} />
      {may("registry.audit.list") ? (
        <RailLink to="/audit" label="Audit log" icon={<ScrollText size={18} aria-hidden />} />
      ) : null}
      {may("registry.api_key.list") ? (
        <RailLink to="/api-keys" label="API keys" icon={<KeyRound size={18} aria-hidden />} />
      ) : null}
    </nav>
  );
}

function RailLink({
  to,
  label,
  icon,
}: {
  to: "/databases" | "/audit" | "/api-keys";
  label: string;
  icon: ReactNode;
}) {
  return (
    <Link
      to={to}
      aria-label={label}
      title={label}
      className="flex size-9 items-center justify-center rounded-md text-text-light hover:bg-surface-300 hover:text-text data-[status=active]:bg-surface-300 data-[status=active]:text-text"
    >
      {icon}
    </Link>
  );
}

function Header({ subject, role }: { subject: string; role: string }) {
  const [theme, setTheme] = useTheme();
  const dark = theme === "dark";
  async function leave() {
    try {
      await signOut();
    } catch (error) {
      toast.failed(error);
    }
  }
  return (
    <header className="flex h-11 shrink-0 items-center gap-3 border-b bg-surface-100 px-4">
      <span className="text-sm font-medium">Databases</span>
      {projectRef ? (
        <>
          <span aria-hidden className="text-text-muted">
            /
          </span>
          <span className="truncate text-sm text-text-light">{projectRef}</span>
        </>
      ) : null}
      <div id="header-slot" className="flex min-w-0 flex-1 items-center" />
      <IconButton
        label={dark ? "Use the light theme" : "Use the dark theme"}
        onClick={() => setTheme(dark ? "light" : "dark")}
      >
        {dark ? <Sun size={16} aria-hidden /> : <Moon size={16} aria-hidden />}
      </IconButton>
      <Menu
        trigger={
          <IconButton label={`Signed in as ${subject}`}>
            <UserRound size={16} aria-hidden />
          </IconButton>
        }
        items={[
          { label: <Who subject={subject} role={role} />, disabled: true, onSelect: () => undefined },
          null,
          { label: "Sign out", icon: <LogOut size={14} aria-hidden />, onSelect: leave },
        ]}
      />
    </header>
  );
}

function Who({ subject, role }: { subject: string; role: string }) {
  return (
    <span className="flex max-w-60 flex-col">
      <span className="truncate text-text">{subject}</span>
      <span className={clsx("text-xs text-text-light")}>{role.replace("_", " ")}</span>
    </span>
  );
}

export function NotFound() {
  return (
    <Empty
      title="There is no such page."
      action={
        <Link to="/databases" className="text-brand-text underline">
          To the databases
        </Link>
      }
    />
  );
}

export function RouteFailure({ error, reset }: ErrorComponentProps) {
  return (
    <div className="mx-auto w-full max-w-xl p-10">
      <Failure error={error} onRetry={reset} />
    </div>
  );
}
