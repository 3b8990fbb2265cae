import { describe, expect, it } from "vitest";
import { draftsOf, privilegesOf, problemIn } from "./privileges-text";

describe("privileges", () => {
  it("come back as they were from being edited", () => {
    const resource = { database_name: "shop", collection: "", cluster: false, any_resource: false };
    const drafts = draftsOf([
      { resource, actions: ["find", "insert"] },
      { resource: { ...resource, database_name: "", cluster: true }, actions: ["top"] },
      { resource: { ...resource, database_name: "", any_resource: true }, actions: ["anyAction"] },
    ]);
    expect(privilegesOf(drafts)).toEqual([
      { resource: { database_name: "shop", collection: "" }, actions: ["find", "insert"] },
      { resource: { cluster: true }, actions: ["top"] },
      { resource: { any_resource: true }, actions: ["anyAction"] },
    ]);
  });

  it("are sent without what has no action, and not with what is none", () => {
    const draft = {
      about: "collections",
      databaseName: "",
      collection: "",
      actions: " find  find,,",
    } as const;
    expect(privilegesOf([draft, { ...draft, actions: " " }])).toEqual([
      { resource: { database_name: "", collection: "" }, actions: ["find"] },
    ]);
    expect(problemIn([draft, { ...draft, actions: "find; drop" }])).toContain("Privilege 2");
  });
});
