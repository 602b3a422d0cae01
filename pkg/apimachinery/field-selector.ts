/**
 * Field selectors as text: `metadata.name=web,status.phase!=Running`. Which fields a resource allows is its registry's affair.
 * Upstream counterpart: apimachinery `fields`.
 */

/** One condition: the field's value is, or is not, `value`. An absent field has the value `''`. */
export interface FieldTerm {
  readonly field: string;
  readonly operator: '!=' | '=';
  readonly value: string;
}

/** All terms have to hold; no terms select everything. Immutable. */
export interface FieldSelector {
  readonly terms: readonly FieldTerm[];
}

/** The selector of a text, or what is wrong with the text. */
export type FieldSelectorResult =
  | { readonly ok: true; readonly selector: FieldSelector }
  | { readonly ok: false; readonly error: string };

/** Selects every object. */
const anyFields: FieldSelector = { terms: [] };

/** Parses a field selector; the empty text selects everything. Errors are upstream's. */
export function parseFieldSelector(text: string): FieldSelectorResult {
  if (text === '') return { ok: true, selector: anyFields };
  const terms: FieldTerm[] = [];
  // Sorted, as upstream has it: of several faults the first in this order is told.
  for (const part of splitTerms(text).sort()) {
    if (part === '') continue;
    const term = splitTerm(part);
    if (term === undefined) return { ok: false, error: `invalid selector: '${text}'; can't understand '${part}'` };
    const value = unescapeValue(term.value);
    if (!value.ok) return value;
    terms.push({ ...term, value: value.value });
  }
  return { ok: true, selector: { terms } };
}

/** Parts between commas that no backslash escapes. */
function splitTerms(text: string): string[] {
  const parts: string[] = [];
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '\\') i++;
    else if (text[i] === ',') {
      parts.push(text.slice(start, i));
      start = i + 1;
    }
  }
  parts.push(text.slice(start));
  return parts;
}

/** Splits at the first operator, of which `==` means `=`. */
function splitTerm(part: string): FieldTerm | undefined {
  for (let i = 0; i < part.length; i++) {
    if (part.startsWith('!=', i)) return { field: part.slice(0, i), operator: '!=', value: part.slice(i + 2) };
    if (part.startsWith('==', i)) return { field: part.slice(0, i), operator: '=', value: part.slice(i + 2) };
    if (part[i] === '=') return { field: part.slice(0, i), operator: '=', value: part.slice(i + 1) };
  }
  return undefined;
}

type Unescaped = { readonly ok: true; readonly value: string } | { readonly ok: false; readonly error: string };

function unescapeValue(text: string): Unescaped {
  if (!/[\\,=]/.test(text)) return { ok: true, value: text };
  let value = '';
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (character === '\\') {
      const next = text[++i] ?? '';
      if (next !== '\\' && next !== ',' && next !== '=') {
        return { ok: false, error: `invalid field selector: invalid escape sequence: \\${next}` };
      }
      value += next;
    } else if (character === ',' || character === '=') {
      return { ok: false, error: `invalid field selector: unescaped character in value: ${character.charCodeAt(0)}` };
    } else {
      value += character;
    }
  }
  return { ok: true, value };
}

/** The text of a selector, with escapes where values need them. */
export function formatFieldSelector(selector: FieldSelector): string {
  return selector.terms
    .map(({ field, operator, value }) => `${field}${operator}${value.replace(/[\\,=]/g, '\\$&')}`)
    .join(',');
}

/** Whether an object's selectable fields satisfy the selector. */
export function fieldSelectorMatches(selector: FieldSelector, fields: Readonly<Record<string, string>>): boolean {
  for (const { field, operator, value } of selector.terms) {
    const actual = Object.hasOwn(fields, field) ? fields[field] : '';
    if ((actual === value) !== (operator === '=')) return false;
  }
  return true;
}

/** The value that the selector demands of a field, when it does: lets a list by name become a get. */
export function requiredFieldValue(selector: FieldSelector, field: string): string | undefined {
  return selector.terms.find((term) => term.field === field && term.operator === '=')?.value;
}
