import { describe, expect, it } from "vitest";
import { EMPTY, format, masked, type Parts, parse, typeOf } from "./connection";
import type { EngineType } from "./engines";

const ODD = "p@ss:w/or#d%25?x";

function parsed(type: EngineType, text: string): Parts {
  const found = parse(type, text);
  if (typeof found === "string") throw new Error(found);
  return found;
}

describe("parts and string", () => {
  const cases: [EngineType, string][] = [
    ["redis", "redis://host"],
    ["redis", "rediss://user:p%40ss@host:6380/3?client_name=a"],
    ["redis", "redis://:secret@[::1]:6379/0"],
    ["mongodb", "mongodb://a:1,b:2/shop?replicaSet=rs0"],
    ["mongodb", "mongodb://u:p@host:27017/shop?authSource=admin&tls=true"],
    ["bun_api", "https://:key@api.example.com/base/path"],
    ["postgres", "postgresql://u:p@db:5432/app?sslmode=verify-full"],
  ];
  it.each(cases)("%s %s comes back as it was", (type, text) => {
    expect(format(type, parsed(type, text))).toBe(text);
  });

  it("encodes what a password holds, and reads it back", () => {
    const text = format("redis", { ...EMPTY, host: "h", username: "u", password: ODD });
    expect(text).toBe("redis://u:p%40ss%3Aw%2For%23d%2525%3Fx@h");
    expect(parsed("redis", text).password).toBe(ODD);
  });

  it("switches TLS by scheme or by option", () => {
    expect(format("redis", { ...EMPTY, host: "h", tls: true })).toBe("rediss://h");
    expect(format("mongodb", { ...EMPTY, host: "h", tls: true })).toBe("mongodb://h/?tls=true");
    expect(format("postgres", { ...EMPTY, host: "h", tls: true })).toBe("postgresql://h?sslmode=require");
    expect(
      format("postgres", { ...parsed("postgres", "postgresql://h?sslmode=require&a=b"), tls: false }),
    ).toBe("postgresql://h?a=b");
  });
});

describe("what can't be read", () => {
  it.each([
    ["redis", "host:6379", "scheme"],
    ["redis", "mongodb://host", "begins with redis://"],
    ["redis", "redis://u:p#x@host", "%23"],
    ["redis", "redis://u:%zz@host", "escape"],
    ["mongodb", "mongodb:///x", "no host"],
  ] as const)("%s %s says why", (type, text, why) => {
    expect(parse(type, text)).toContain(why);
  });
});

it("knows the type by the scheme", () => {
  expect(typeOf("redis+sentinel://h/s")).toBe("redis");
  expect(typeOf("mongodb+srv://h")).toBe("mongodb");
  expect(typeOf("https://h")).toBe("bun_api");
  expect(typeOf("ftp://h")).toBeUndefined();
});

it("hides a password", () => {
  expect(masked("redis://u:secret@h:1/0")).toBe("redis://u:••••••@h:1/0");
  expect(masked("redis://h")).toBe("redis://h");
});
