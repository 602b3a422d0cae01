/** Calls that break a law of the design, each with what to use instead. */
import { expect, test } from 'vitest';
import { codeOf, sourceFiles } from './source-files.ts';

interface Ban {
  readonly pattern: RegExp;
  readonly instead: string;
  /** Files that may: they are where the law is implemented. */
  readonly except: RegExp;
}

const bans: readonly Ban[] = [
  {
    pattern:
      /(?<![.\w])(?:setTimeout|setInterval|setImmediate)\(|(?<![\w])(?:globalThis\.)(?:setTimeout|setInterval|setImmediate)\(/,
    instead: 'clock.setTimeout or sleep of #pkg/base/async.ts',
    except: /^(pkg\/base\/|cmd\/|pkg\/kubelet\/runtime\/inprocess\/images\/)/,
  },
  {
    pattern: /\bDate\.now\(|\bnew Date\(\)|\bperformance\.now\(/,
    instead: 'clock.nowMs or clock.monotonicMs',
    except: /^(pkg\/base\/|cmd\/|pkg\/kubelet\/runtime\/inprocess\/images\/|pkg\/[a-z]+\/bench\.ts)/,
  },
  {
    pattern: /\bMath\.random\(/,
    instead: 'the injected Random',
    except: /^(cmd\/|pkg\/kubelet\/runtime\/inprocess\/images\/)/,
  },
  {
    pattern: /(?<![.\w])process\.(?!nextTick)\w/,
    instead: 'an option that cmd passes in: only cmd reads process.*',
    except: /^(cmd\/|pkg\/kubelet\/runtime\/inprocess\/images\/|pkg\/[a-z]+\/bench\.ts)/,
  },
  { pattern: /\.only\(/, instead: 'running one test from the command line', except: /^$/ },
];

test('no source file makes a banned call', () => {
  const found = sourceFiles()
    .filter((file) => !file.isTest)
    .flatMap((file) => {
      const lines = codeOf(file.text).split('\n');
      return bans
        .filter((ban) => !ban.except.test(file.path))
        .flatMap((ban) => {
          const index = lines.findIndex((line) => ban.pattern.test(line));
          return index < 0 ? [] : [`${file.path}:${index + 1} use ${ban.instead}`];
        });
    });
  expect(found).toEqual([]);
});

test('no test is left alone or skipped without a word', () => {
  const found = sourceFiles()
    .filter((file) => file.isTest && !file.path.startsWith('tests/tidy/'))
    .filter((file) => /\b(?:test|it|describe)\.(?:only|todo)\(|\b(?:test|it|describe)\.skip\(/.test(codeOf(file.text)))
    .map((file) => file.path);
  expect(found).toEqual([]);
});
