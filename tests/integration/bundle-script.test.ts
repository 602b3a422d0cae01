import { expect, test } from 'vitest';
import { scriptOf } from '../../deploy/package/script.ts';

const code = [
  'import{a as b,c}from"./other.js";import*as all from"library";import first,{second as s}from"./more.js";import"./alone.js";',
  'const{join}=process.getBuiltinModule("node:path");',
  'function shown(){let kept;kept=import(`./later.js`);return[join("x","y"),b,c,all.d,first,s,import.meta.url,kept]}var Kind=class{};export{Kind as K,shown};',
].join('');

test('a script takes what the module imports, and gives what it exports', () => {
  const { script, module } = scriptOf(code, '../kept.js')!;
  expect(module).toMatch(/^import\*as \$import0 from"\.\/other\.js";import\*as \$import1 from"library";/);
  expect(module).toMatch(/import\{runScript\}from"\.\.\/kept\.js";.*export\{\$export0 as K,\$export1 as shown\};$/);
  const run = new Function(`return ${script}`)() as (...given: readonly unknown[]) => { K: unknown; shown(): unknown };
  const given = [{ a: 1, c: 2 }, { d: 3 }, { default: 4, second: 5 }, {}];
  const { K, shown } = run('file:///place', (name: string) => `later ${name}`, ...given);
  expect(K).toBeTypeOf('function');
  expect(shown()).toEqual(['x/y', 1, 2, 3, 4, 5, 'file:///place', 'later ./later.js']);
});

test.each([
  ['exports that change', 'let count=0;function more(){count++}export{count,more};'],
  ['no exports', 'console.log(1);'],
])('there is none of a module with %s', (_, text) => {
  expect(scriptOf(text, '../kept.js')).toBeUndefined();
});
