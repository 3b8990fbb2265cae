import { useSignIn } from "@studio-databases/client/react";
import { Database } from "lucide-react";
import { type FormEvent, useEffect, useRef, useState } from "react";
import { Button, Field, Input } from "@/ui";

/** The page where nobody is signed in. */
export function SignIn() {
  return (
    <main className="h-full">
      <SignInForm />
    </main>
  );
}

/** Over a page whose session has ended, and all of it: what was typed there is kept until one is signed in again. */
export function SignInAgain() {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog
      ref={dialog}
      aria-label="Sign in again"
      onCancel={(event) => event.preventDefault()}
      // Browsers close it at a second Escape all the same.
      onClose={() => dialog.current?.showModal()}
      className="fixed inset-0 m-0 h-full max-h-none w-full max-w-none bg-surface text-text"
    >
      <SignInForm notice="Your session has ended. Sign in to go on where you were." />
    </dialog>
  );
}

/** Takes a token or API key once; the browser keeps a cookie that the page can't read, and nothing else. */
function SignInForm({ notice }: { notice?: string }) {
  const [credential, setCredential] = useState("");
  const signIn = useSignIn();
  const link = useRef(linkToken());
  const { mutate } = signIn;
  // A link that signs in: once, so the address is clean before anything is done.
  useEffect(() => {
    const token = link.current;
    link.current = undefined;
    if (!token) return;
    history.replaceState(null, "", location.pathname + location.search);
    mutate(token);
  }, [mutate]);

  function submit(event: FormEvent) {
    event.preventDefault();
    signIn.mutate(credential.trim());
  }

  return (
    <div className="flex h-full items-center justify-center p-6">
      <form
        onSubmit={submit}
        className="flex w-full max-w-sm flex-col gap-5 rounded-lg border bg-surface-100 p-8"
      >
        <div className="flex items-center gap-2.5">
          <Database size={20} className="text-brand-text" aria-hidden />
          <h1 className="text-base font-medium">Sign in to Databases</h1>
        </div>
        {notice ? <p className="text-sm text-text-light">{notice}</p> : null}
        <Field
          label="Token or API key"
          hint="A JWT of the platform, or an API key that begins with sdb_."
          error={signIn.error?.message}
        >
          {(control) => (
            <Input
              {...control}
              type="password"
              value={credential}
              required
              autoFocus
              autoComplete="off"
              spellCheck={false}
              onChange={(event) => setCredential(event.target.value)}
            />
          )}
        </Field>
        <Button
          type="submit"
          kind="primary"
          size="small"
          loading={signIn.isPending}
          disabled={!credential.trim()}
        >
          Sign in
        </Button>
      </form>
    </div>
  );
}

/** The token of a link that signs in; it stands behind `#`, which browsers send to nobody. */
function linkToken(): string | undefined {
  return /^#sign-in=([\w.-]+)$/.exec(location.hash)?.[1];
}
