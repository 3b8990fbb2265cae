import { createContext, type ReactNode, useContext } from "react";
import type { Client } from "../client.js";

const Context = createContext<Client | null>(null);

/** Gives the hooks below it their client. */
export function ClientProvider({ client, children }: { client: Client; children: ReactNode }) {
  return <Context.Provider value={client}>{children}</Context.Provider>;
}

/** The client; for calls that are no hook's, such as streams. */
export function useClient(): Client {
  const client = useContext(Context);
  if (client === null) throw new Error("There is no <ClientProvider> above this component.");
  return client;
}
