import "./styles.css";
import { ClientProvider } from "@studio-databases/client/react";
import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { api, queries } from "./app/api";
import { Confirmations } from "./app/confirmations";
import { router } from "./app/router";
import { applyTheme } from "./app/theme";
import { Toasts } from "./ui";

applyTheme();

const root = document.getElementById("root");
if (root === null) throw new Error("The page has no root.");
createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={queries}>
      <ClientProvider client={api}>
        <RouterProvider router={router} />
        <Toasts />
        <Confirmations />
      </ClientProvider>
    </QueryClientProvider>
  </StrictMode>,
);
