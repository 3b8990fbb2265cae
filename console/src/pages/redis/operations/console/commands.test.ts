import { describe, expect, test } from "vitest";
import { argumentsOf, commandOf, known, refusal, suggestions } from "./commands";

function command(name: string, arity = 2, role = "read_only", refused = "") {
  return { name, arity, role, refused, flags: [], confirmation: false, summary: "", group: "" };
}
const COMMANDS = known([command("get"), command("getex"), command("client", -2), command("client|list", -2)]);

describe("what is typed", () => {
  test.each([
    ["ge", ["GET", "GETEX"]],
    ["get", ["GETEX"]],
    ["get ", []],
    ["client ", ["CLIENT LIST"]],
    ["client  li", ["CLIENT LIST"]],
    ["", []],
  ])("%j may become %j", (line, names) => {
    expect(suggestions(line, COMMANDS).map((each) => each.name)).toEqual(names);
  });

  test("is known by its longest name", () => {
    expect(commandOf("client list type normal", COMMANDS)?.name).toBe("CLIENT LIST");
    expect(commandOf(" client", COMMANDS)?.name).toBe("CLIENT");
    expect(commandOf("nothing", COMMANDS)).toBeUndefined();
  });
});

test("a command is refused for its own reason, or for the role it needs", () => {
  expect(refusal(command("monitor", 1, "", "It never ends."), "owner")).toContain("It never ends.");
  expect(refusal(command("set", 3, "developer"), "read_only")).toContain("developer");
  expect(refusal(command("set", 3, "developer"), "administrator")).toBe("");
});

test("the name does not count as an argument", () => {
  expect(argumentsOf(command("get", 2))).toBe("1 argument");
  expect(argumentsOf(command("client|list", -2))).toBe("any arguments");
});
