/** The forms in which commands print for programs: the same for all of them. */
import { text } from '#pkg/component/flags.ts';

/** The flag; empty for people. */
export const outputFlag = text({
  help: 'Form of the output.',
  short: 'o',
  allowed: ['', 'json', 'yaml'],
  placeholder: 'json|yaml',
});

/** A value in one of the forms for programs, with its end of line. */
export async function formatted(value: unknown, form: string): Promise<string> {
  const json = JSON.stringify(value, undefined, 2);
  if (form !== 'yaml') return `${json}\n`;
  const { yamlText } = await import('#pkg/apimachinery/yaml-text.ts');
  // What JSON leaves out, such as fields without a value, is no YAML either.
  return yamlText(JSON.parse(json));
}
