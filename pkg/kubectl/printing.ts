/**
 * What commands say of the objects they made or changed: a line, the name, or the object itself. Source: kubectl `create` and `apply`, of which the
 * first prints objects as it goes, in YAML with `---` between them, and the second prints one `List` of several when all is done.
 */
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { digText } from './api.ts';
import { checkOutput, type KubectlContext, objectForms } from './context.ts';
import { withTemplate } from './go-template-file.ts';
import { renderObject, withoutManagedFields } from './output.ts';
import { type Target, targetName } from './targets.ts';

/** The values of `printFlags`. */
export interface PrintValues {
  readonly output: string;
  readonly template: string;
  readonly 'show-managed-fields': boolean;
}

/** Refuses a value of `--dry-run` that there is none of. */
export function checkDryRun(value: string): void {
  if (['none', 'server', 'client'].includes(value)) return;
  throw new UserError(`error: Invalid dry-run value (${value}). Must be "none", "server", or "client".`);
}

/** What is said of a change that was not made. */
export function drySuffix(dryRun: string): string {
  if (dryRun === 'none') return '';
  return dryRun === 'client' ? ' (dry run)' : ' (server dry run)';
}

/** Value of `fieldValidation` for a value of `--validate`. */
export function fieldValidation(validate: string): string {
  if (validate === 'warn') return 'Warn';
  return validate === 'ignore' || validate === 'false' ? 'Ignore' : 'Strict';
}

/** Value of `dryRun` of a request. */
export function dryRunQuery(dryRun: string): string | undefined {
  return dryRun === 'server' ? 'All' : undefined;
}

/** Prints results in the form that `-o` names. */
export class ResultPrinter {
  readonly #context: KubectlContext;
  readonly #form: string;
  readonly #showManagedFields: boolean;
  readonly #objects: JsonObject[] = [];
  #printed = 0;

  /** Throws `UserError` for a form that there is none of. */
  constructor(context: KubectlContext, values: PrintValues) {
    this.#context = context;
    this.#form = withTemplate(values);
    this.#showManagedFields = values['show-managed-fields'];
    checkOutput(this.#form, objectForms);
  }

  /** Whether objects are printed rather than lines. */
  get printsObjects(): boolean {
    return this.#form !== '' && this.#form !== 'name';
  }

  /** Says what was done to an object, or keeps the object for `printTogether`. */
  add(target: Target, object: JsonObject, done: string): void {
    if (this.printsObjects) this.#objects.push(this.#showManagedFields ? object : withoutManagedFields(object));
    else this.#context.print(`${this.#nameLine(target, object, done)}\n`);
  }

  /** As `add`, but prints the object at once. */
  print(target: Target, object: JsonObject, done: string): void {
    this.add(target, object, done);
    for (const one of this.#objects.splice(0)) {
      const separator = this.#form === 'yaml' && this.#printed++ > 0 ? '---\n' : '';
      this.#context.print(`${separator}${renderObject(this.#form, one)}`);
    }
  }

  /** Prints what `add` has kept: the one object, or one list of all. */
  printTogether(): void {
    const [first, ...others] = this.#objects;
    if (first === undefined) return;
    const all = { apiVersion: 'v1', items: this.#objects, kind: 'List', metadata: {} };
    this.#context.print(renderObject(this.#form, others.length === 0 ? first : all));
  }

  #nameLine(target: Target, object: JsonObject, done: string): string {
    const name = digText(object, 'metadata', 'name') || '<unknown>';
    const line = targetName({ ...target, name });
    return this.#form === 'name' ? line : `${line} ${done}`;
  }
}
