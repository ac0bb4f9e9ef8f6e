// Where in a query one writes: at a key or at a value, of which field; told by what stands before, which may be broken.
export interface Place {
  isKey: boolean; // whether a name or an operator belongs here
  isQuoted: boolean; // whether the quote that begins it stands there already
  typed: string; // what of it is there
  field: string | null; // the field that is tested here; null where fields are named
}

interface Level {
  isObject: boolean;
  key: string | null; // the last name in it
  isKey: boolean; // whether a name comes next
}

// Returns null within what cannot be completed, such as a number.
export function placeOf(before: string): Place | null {
  const levels: Level[] = [];
  let at = 0;
  const top = (): Level | undefined => levels[levels.length - 1];
  while (at < before.length) {
    const sign = before[at] ?? "";
    if (sign === '"') {
      const end = closing(before, at);
      if (end < 0) return told(levels, before.slice(at + 1), true);
      const level = top();
      if (level?.isObject && level.isKey) level.key = before.slice(at + 1, end);
      at = end + 1;
      continue;
    }
    if (sign === "{") levels.push({ isObject: true, key: null, isKey: true });
    else if (sign === "[") levels.push({ isObject: false, key: null, isKey: false });
    else if (sign === "}" || sign === "]") levels.pop();
    else {
      const level = top();
      if (level?.isObject && sign === ":") level.isKey = false;
      if (level?.isObject && sign === ",") level.isKey = true;
    }
    at += 1;
  }
  const typed = /[\w.$]*$/.exec(before)?.[0] ?? "";
  return /^\d/.test(typed) ? null : told(levels, typed, false);
}

function told(levels: Level[], typed: string, isQuoted: boolean): Place | null {
  const level = levels[levels.length - 1];
  if (level === undefined) return null;
  const isKey = level.isObject && level.isKey;
  // Operators stand in place of a field's value; `$and` and its like, and `$elemMatch`, hold queries again.
  const above = (isKey ? levels.slice(0, -1) : levels).map((one) => one.key).filter((key) => key !== null);
  let field: string | null = null;
  for (const key of above) {
    if (!key.startsWith("$")) field = key;
    else if (["$and", "$or", "$nor", "$elemMatch"].includes(key)) field = null;
  }
  return { isKey, isQuoted, typed, field };
}

function closing(text: string, from: number): number {
  for (let at = from + 1; at < text.length; at += 1) {
    if (text[at] === "\\") at += 1;
    else if (text[at] === '"') return at;
  }
  return -1;
}
