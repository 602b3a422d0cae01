import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { compiledFolder, runScript, storeScripts } from './kept-scripts.js';

let folder: string;
let url: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'coxswain-scripts-'));
  url = pathToFileURL(join(folder, 'code.js')).href;
  writeFileSync(
    join(folder, 'code.script'),
    '(function(start){return{sum:(to)=>{let sum=start;for(let i=0;i<to;i++)sum+=i;return sum}}})',
  );
});
afterEach(() => {
  for (const path of kept()) rmSync(path);
  rmSync(folder, { recursive: true, force: true });
});

function kept(): readonly string[] {
  const own = readdirSync(compiledFolder).filter((name) => name.includes(basename(folder)));
  return own.map((name) => join(compiledFolder, name)).sort();
}

function sumOf(start: number): number {
  const { sum } = runScript(url, [start]);
  return typeof sum === 'function' ? sum(4) : Number.NaN;
}

const makersOf = (paths: readonly string[]): readonly string[] => paths.map((path) => path.split('-').at(-1)!);

test('what an install keeps has a start made better, once', () => {
  expect(sumOf(1)).toBe(7);
  storeScripts('install');
  expect(makersOf(kept())).toEqual(['install']);
  expect(sumOf(2)).toBe(8);
  storeScripts('start');
  expect(makersOf(kept())).toEqual(['install', 'start']);
  const bytes = kept().map((path) => readFileSync(path));
  expect(sumOf(3)).toBe(9);
  storeScripts('start');
  expect(kept().map((path) => readFileSync(path))).toEqual(bytes);
});

test('what is damaged is not used, and replaced', () => {
  sumOf(1);
  storeScripts('start');
  const [path = ''] = kept();
  const whole = readFileSync(path);
  for (const damaged of [whole.subarray(0, 2), whole.subarray(0, -8), Buffer.alloc(whole.length, 1)]) {
    writeFileSync(path, damaged);
    expect(sumOf(1)).toBe(7);
    storeScripts('start');
    expect(readFileSync(path).length).toBe(whole.length);
  }
});
