/**
 * One copy of what many objects say alike. The spec of a pod that came over a network is some thirty objects and as many texts, of which all but a few are
 * those of its neighbours too: its tolerations, its volumes but for a name.
 *
 * Invariant: what is put in place of a value is the same JSON, in the same order, and nobody changes it. Which values are found again is limited, and those
 * longest unused are forgotten: then there are two copies.
 */
import { deepEqual, getOwn, isObject, setOwn } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { RecentMap } from '#pkg/base/recent-map.ts';

/** Values that are found again, of each of two generations: some hundred objects' own beside those that all have, in half a megabyte. */
const valuesMax = 2_048;

/** Characters of a value's form. Longer ones are seldom the same, and would be looked for in vain. */
const formCharactersMax = 512;

/** A value, and what tells it from others where it has been met before: what has a part that was not cannot have been either. */
interface Met {
  readonly value: unknown;
  readonly form: string | undefined;
}

/** Values of the objects of one resource. */
export class SharedValues {
  readonly #values = new RecentMap<unknown>(valuesMax);

  /** Fields with what they have in common with others: with those of the state before at first, which is returned itself where it is the same. */
  of(fields: Readonly<JsonObject>, before: Readonly<JsonObject> = {}): Readonly<JsonObject> {
    const copy: JsonObject = {};
    let same = 0;
    for (const name of Object.keys(fields)) {
      const [field, known] = [fields[name], getOwn(before, name)];
      const isSame = known !== undefined && deepEqual(known, field);
      if (isSame) same++;
      setOwn(copy, name, isSame ? known : this.#share(field).value);
    }
    return same > 0 && same === Object.keys(fields).length && same === Object.keys(before).length ? before : copy;
  }

  #share(value: unknown): Met {
    if (typeof value === 'string')
      return value.length > formCharactersMax
        ? { value, form: undefined }
        : this.#one(value, `${value.length}:${value}`);
    if (Array.isArray(value)) return this.#list(value);
    if (isObject(value)) return this.#fields(value);
    // Numbers, whole ones among them, what is true or false, and null.
    return { value, form: `${typeof value} ${value};` };
  }

  #list(list: readonly unknown[]): Met {
    const copy: unknown[] = [];
    let form: string | undefined = '[';
    for (const item of list) {
      const shared = this.#share(item);
      copy.push(shared.value);
      form = joined(form, shared.form);
    }
    return form === undefined ? { value: copy, form } : this.#one(copy, `${form}]`);
  }

  #fields(object: Readonly<JsonObject>): Met {
    const copy: JsonObject = {};
    let form: string | undefined = '{';
    for (const name of Object.keys(object)) {
      const shared = this.#share(object[name]);
      setOwn(copy, name, shared.value);
      form = joined(form, shared.form && `${name.length}:${name}${shared.form}`);
    }
    return form === undefined ? { value: copy, form } : this.#one(copy, `${form}}`);
  }

  /** The value of this form that was met before; else this one, which is the one from now on. */
  #one(value: unknown, form: string): Met {
    const known = this.#values.get(form);
    if (known !== undefined) return { value: known, form };
    this.#values.set(form, value);
    return { value, form: undefined };
  }
}

/** A form with that of what comes next in it; undefined where that has none, or it would be too long. */
function joined(form: string | undefined, part: string | undefined): string | undefined {
  if (form === undefined || part === undefined || form.length + part.length > formCharactersMax) return undefined;
  return form + part;
}
