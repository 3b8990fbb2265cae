/** The views of a MongoDB page beside its documents; the code of each comes when it is opened. */

import { type ComponentType, lazy } from "react";
import { Empty } from "@/ui";
import type { WorkProps, WorkView } from "./types";

export type { WorkProps, WorkView } from "./types";

const Aggregation = lazy(async () => ({ default: (await import("./aggregation")).Aggregation }));
const Explain = lazy(async () => ({ default: (await import("./explain")).Explain }));
const Indexes = lazy(async () => ({ default: (await import("./indexes")).Indexes }));
const Schema = lazy(async () => ({ default: (await import("./schema")).Schema }));
const Validation = lazy(async () => ({ default: (await import("./validation")).Validation }));
const Transfer = lazy(async () => ({ default: (await import("./transfer")).Transfer }));
const Changes = lazy(async () => ({ default: (await import("./changes")).Changes }));
const Files = lazy(async () => ({ default: (await import("./files")).Files }));
const Profiler = lazy(async () => ({ default: (await import("./profiler")).Profiler }));
const Operations = lazy(async () => ({ default: (await import("./operations")).Operations }));
const Server = lazy(async () => ({ default: (await import("./server")).Server }));
const Users = lazy(async () => ({ default: (await import("./users")).Users }));

/** The view of a collection, once one is chosen. */
function ofCollection(View: ComponentType<WorkProps>): ComponentType<WorkProps> {
  return function OfCollection(props: WorkProps) {
    return props.collection ? <View {...props} /> : <Empty title="Choose a collection at the left." />;
  };
}

export const WORK: readonly WorkView[] = [
  { value: "aggregation", label: "Aggregation", component: ofCollection(Aggregation) },
  { value: "explain", label: "Explain", component: ofCollection(Explain) },
  { value: "indexes", label: "Indexes", component: ofCollection(Indexes) },
  { value: "schema", label: "Schema", component: ofCollection(Schema) },
  { value: "validation", label: "Validation", component: ofCollection(Validation) },
  { value: "transfer", label: "Import and export", component: ofCollection(Transfer) },
  { value: "changes", label: "Changes", component: Changes },
  { value: "files", label: "Files", component: Files },
  { value: "profiler", label: "Profiler", component: Profiler },
  { value: "operations", label: "Operations", component: Operations, ofServer: true },
  { value: "server", label: "Server", component: Server, ofServer: true },
  { value: "users", label: "Users", component: Users, ofServer: true, needs: "mongodb.user.list" },
];
