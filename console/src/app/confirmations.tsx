/** Asks the user where a production database wants a confirmation: once for all pages, whatever the call. */

import type { ApiError } from "@studio-databases/client";
import { createStore } from "@/lib/store";
import { Button, Dialog } from "@/ui";

interface Question {
  error: ApiError;
  answer: (yes: boolean) => void;
}

const question = createStore<Question | undefined>(undefined);

/** Redis's console asks by itself, about each command. */
const ASKS_ITSELF = /\/console(?:\/|$)/;

/** Whether the user wants it all the same. */
export function confirmDanger(error: ApiError, request: Request): Promise<boolean> {
  if (ASKS_ITSELF.test(new URL(request.url).pathname)) return Promise.resolve(false);
  question.get()?.answer(false);
  return new Promise((resolve) => {
    question.set({
      error,
      answer: (yes) => {
        question.set(undefined);
        resolve(yes);
      },
    });
  });
}

export function Confirmations() {
  const asked = question.use();
  return (
    <Dialog
      open={asked !== undefined}
      onOpenChange={(open) => {
        if (!open) asked?.answer(false);
      }}
      title="This is a production database"
      footer={
        <>
          <Button onClick={() => asked?.answer(false)}>Cancel</Button>
          <Button kind="danger" onClick={() => asked?.answer(true)}>
            Do it
          </Button>
        </>
      }
    >
      <p className="text-sm text-text-light">{asked?.error.message}</p>
    </Dialog>
  );
}
