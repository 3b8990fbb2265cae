/** What is around every page: the product menu, who is signed in, and the page to sign in where nobody is. */

import { sessionQuery, useMay } from "@studio-databases/client/react";
import { type ErrorComponentProps, Link, Outlet } from "@tanstack/react-router";
import { clsx } from "clsx";
import { Database, KeyRound, LogOut, Moon, ScrollText, Sun, UserRound } from "lucide-react";
import type { ReactNode } from "react";
import { useEffect } from "react";
import { SignIn, SignInAgain } from "@/pages/sign-in";
import { Empty, Failure, IconButton, Loading, Menu, toast } from "@/ui";
import { api, onSignedOut, queries } from "./api";
import { projectRef } from "./place";
import { signOut, useKeptSession, useLastSession } from "./session";
import { useTheme } from "./theme";

export function Shell() {
  const session = useKeptSession();
  const { shown, hasEnded } = useLastSession(session.data);
  useEffect(() => onSignedOut(() => queries.setQueryData(sessionQuery(api).queryKey, null)), []);

  if (session.isPending) return <Loading className="h-full justify-center" />;
  if (session.isError && !shown) {
    return (
      <main className="mx-auto max-w-xl p-10">
        <Failure error={session.error} onRetry={() => session.refetch()} />
      </main>
    );
  }
  if (!shown) return <SignIn />;
  return (
    <div className="flex h-full">
      <a href="#main" className="absolute -left-full z-50 m-2 rounded bg-brand-button px-3 py-2 focus:left-0">
        Skip to the content
      </a>
      <Rail />
      <div className="flex min-w-0 flex-1 flex-col">
        <Header subject={shown.subject} role={shown.role} />
        <main id="main" className="flex min-h-0 flex-1 flex-col">
          <Outlet />
        </main>
      </div>
      {hasEnded ? <SignInAgain /> : null}
    </div>
  );
}

/** The product menu: icons, and their names while one points at them or moves through them by keyboard. */
function Rail() {
  const may = useMay();
  return (
    <div className="w-12 shrink-0">
      <nav
        aria-label="Product"
        className="group fixed inset-y-0 left-0 z-40 flex w-12 flex-col gap-1 overflow-hidden border-r bg-surface-100 p-1.5 transition-[width] delay-150 duration-150 hover:w-44 hover:shadow-xl has-focus-visible:w-44"
      >
        <RailLink to="/databases" label="Databases" icon={<Database size={18} aria-hidden />} />
        {may("registry.audit.list") ? (
          <RailLink to="/audit" label="Audit log" icon={<ScrollText size={18} aria-hidden />} />
        ) : null}
        {may("registry.api_key.list") ? (
          <RailLink to="/api-keys" label="API keys" icon={<KeyRound size={18} aria-hidden />} />
        ) : null}
      </nav>
    </div>
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
      className="flex h-9 shrink-0 items-center gap-3 rounded-md px-2 text-sm whitespace-nowrap text-text-light hover:bg-surface-300 hover:text-text data-[status=active]:bg-surface-300 data-[status=active]:text-text"
    >
      <span className="shrink-0">{icon}</span>
      <span className="opacity-0 transition-opacity delay-150 group-hover:opacity-100 group-has-focus-visible:opacity-100">
        {label}
      </span>
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
          { note: <Who subject={subject} role={role} /> },
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
