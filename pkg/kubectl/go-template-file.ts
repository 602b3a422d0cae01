/** The form of the output with what the flag `--template` adds to it. Source: cli-runtime `genericclioptions/template_flags.go`. */
import { readFileSync } from 'node:fs';
import { UserError } from '#pkg/component/user-error.ts';

const fileForms: Readonly<Record<string, string>> = {
  'go-template-file': 'go-template',
  templatefile: 'go-template',
  'jsonpath-file': 'jsonpath',
  'custom-columns-file': 'custom-columns',
};
const textForms = ['go-template', 'template', 'jsonpath', 'jsonpath-as-json', 'custom-columns'];

/** The form with its argument: a template from `--template`, or from the file that a form names. Throws `UserError` for a file that cannot be read. */
export function withTemplate(values: { readonly output: string; readonly template: string }): string {
  const { template } = values;
  const output = values.output === '' && template !== '' ? 'go-template' : values.output;
  const [form = '', ...rest] = output.split('=');
  const argument = rest.length > 0 ? rest.join('=') : template;
  const inner = fileForms[form];
  if (inner !== undefined && argument !== '') return `${inner}=${readTemplate(argument)}`;
  return textForms.includes(form) && argument !== '' ? `${form}=${argument}` : output;
}

function readTemplate(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new UserError(`error: error reading --template ${file}, open ${file}: no such file or directory`, error);
  }
}
