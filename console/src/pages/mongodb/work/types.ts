import type { ComponentType } from "react";

/** What a view is about; `collection` is empty where none is chosen. */
export interface WorkProps {
  databaseId: string;
  databaseName: string;
  collection: string;
}

export interface WorkView {
  value: string;
  label: string;
  component: ComponentType<WorkProps>;
  /** A view of the server as a whole is shown without the tree of collections. */
  ofServer?: boolean;
}
