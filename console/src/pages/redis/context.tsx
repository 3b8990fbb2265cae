/** Which Redis the page is about, and what may be done in it. */

import { type Database, useMay } from "@studio-databases/client/react";
import { createContext, type ReactNode, useContext } from "react";
import { isMarked } from "@/lib/engines";
import { UnsavedProvider } from "./unsaved";

export interface Redis {
  id: string;
  /** Whether the caller may change what an action of the contract names, on this connection. */
  may: (action: string) => boolean;
}

const Context = createContext<Redis | null>(null);

export function RedisProvider({ database, children }: { database: Database; children: ReactNode }) {
  const allowed = useMay(database.id);
  const readOnly = isMarked(database, "readonly");
  const may = (action: string) => !readOnly && allowed(action);
  return (
    <Context.Provider value={{ id: database.id, may }}>
      <UnsavedProvider>{children}</UnsavedProvider>
    </Context.Provider>
  );
}

export function useRedis(): Redis {
  const found = useContext(Context);
  if (found === null) throw new Error("There is no <RedisProvider> above this component.");
  return found;
}
