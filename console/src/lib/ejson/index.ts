export {
  array,
  children,
  get,
  literal,
  type Member,
  type Node,
  number,
  object,
  type Path,
  setAt,
  string,
  stringOf,
  wrapped,
} from "./ast";
export { EDITABLE, type EditableType, fromText, isEditable, textOf } from "./edit";
export { columnsOf, fieldsOf } from "./fields";
export { canonical, compact } from "./forms";
export { merge } from "./merge";
export { ParseError, parse } from "./parse";
export { type BsonType, isContainer, typeOf } from "./types";
export { write, writeLines, writeSpaced } from "./write";
