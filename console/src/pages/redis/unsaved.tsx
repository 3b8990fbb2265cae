/** Asks before something that was edited and not saved is left: by the address, or by choosing another element. */

import { useBlocker } from "@tanstack/react-router";
import {
  createContext,
  type ReactNode,
  useContext,
  useEffect,
  useId,
  useMemo,
  useRef,
  useState,
} from "react";
import { Button, Dialog } from "@/ui";

interface Unsaved {
  /** Says whether an editor, by its id, holds something that is not saved. */
  mark: (id: string, isDirty: boolean) => void;
  /** Does something that drops it: at once where there is nothing, else when the user wants it. */
  guard: (leave: () => void) => void;
}

const Context = createContext<Unsaved>({ mark: () => undefined, guard: (leave) => leave() });

export function UnsavedProvider({ children }: { children: ReactNode }) {
  const dirty = useRef(new Set<string>());
  const [asked, setAsked] = useState<() => void>();
  const blocker = useBlocker({
    shouldBlockFn: () => dirty.current.size > 0,
    enableBeforeUnload: () => dirty.current.size > 0,
    withResolver: true,
  });
  const unsaved = useMemo(
    (): Unsaved => ({
      mark: (id, isDirty) => {
        if (isDirty) dirty.current.add(id);
        else dirty.current.delete(id);
      },
      guard: (leave) => {
        if (dirty.current.size === 0) leave();
        else setAsked(() => leave);
      },
    }),
    [],
  );

  function stay() {
    setAsked(undefined);
    blocker.reset?.();
  }

  function drop() {
    dirty.current.clear();
    setAsked(undefined);
    asked?.();
    blocker.proceed?.();
  }

  return (
    <Context.Provider value={unsaved}>
      {children}
      <Dialog
        open={asked !== undefined || blocker.status === "blocked"}
        onOpenChange={stay}
        title="Drop what you edited?"
        footer={
          <>
            <Button onClick={stay}>Go on editing</Button>
            <Button kind="danger" onClick={drop}>
              Drop it
            </Button>
          </>
        }
      >
        <p className="text-sm text-text-light">The value was edited and is not saved.</p>
      </Dialog>
    </Context.Provider>
  );
}

/** Does something that drops what was edited, once the user wants it. */
export function useGuard(): Unsaved["guard"] {
  return useContext(Context).guard;
}

/** Says that this component holds something that is not saved. */
export function useUnsaved(isDirty: boolean): void {
  const id = useId();
  const { mark } = useContext(Context);
  useEffect(() => {
    mark(id, isDirty);
    return () => mark(id, false);
  }, [mark, id, isDirty]);
}
