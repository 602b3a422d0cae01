/** Calls that break a law of the design, each with what to use instead. */
import { expect, test } from 'vitest';
import { codeOf, type SourceFile, sourceFiles } from './source-files.ts';

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
    except: /^(pkg\/base\/|cmd\/|pkg\/dashboard\/page\/|pkg\/kubelet\/runtime\/inprocess\/(host|images)\/)/,
  },
  {
    pattern: /\bDate\.now\(|\bnew Date\(\)|\bperformance\.now\(/,
    instead: 'clock.nowMs or clock.monotonicMs',
    // A page runs in a browser, whose time is a person's.
    except:
      /^(pkg\/base\/|cmd\/|pkg\/dashboard\/page\/|pkg\/kubelet\/runtime\/inprocess\/(host|images)\/|pkg\/[a-z]+\/bench\.ts)/,
  },
  {
    pattern: /\bMath\.random\(/,
    instead: 'the injected Random',
    except: /^(cmd\/|pkg\/kubelet\/runtime\/inprocess\/(host|images)\/)/,
  },
  {
    pattern: /(?<![.\w])process\.(?!nextTick)\w/,
    instead: 'an option that cmd passes in: only cmd reads process.*',
    except:
      /^(cmd\/|manifests\/|pkg\/entry\/node-version|pkg\/kubelet\/runtime\/(container\/monitor|inprocess\/(host|images)|vm\/guest)\/|pkg\/pipeline\/programs\/|pkg\/[a-z]+\/bench\.ts)/,
  },
  {
    pattern: /(?<![.\w])repeat\(/,
    instead: 'createPeriodicLoop of pkg/controllers/common/controller.ts, in which a fault ends one turn alone',
    except: /^(?!pkg\/controllers\/)/,
  },
];

/** The first banned call of each kind. */
function breaches({ path, text }: Pick<SourceFile, 'path' | 'text'>): readonly string[] {
  const lines = codeOf(text).split('\n');
  return bans
    .filter((ban) => !ban.except.test(path))
    .flatMap((ban) => {
      const index = lines.findIndex((line) => ban.pattern.test(line));
      return index < 0 ? [] : [`${path}:${index + 1} use ${ban.instead}`];
    });
}

test('no source file makes a banned call', () => {
  const files = sourceFiles().filter((file) => !file.isTest);
  expect(files.flatMap(breaches)).toEqual([]);
});

test.each([
  ['setTimeout(run, 5)', 'clock.setTimeout'],
  ['globalThis.setInterval(run, 5)', 'clock.setTimeout'],
  ['const now = Date.now();', 'clock.nowMs'],
  ['const now = new Date();', 'clock.nowMs'],
  ['return Math.random();', 'the injected Random'],
  ['const home = process.env.HOME;', 'an option that cmd passes in'],
])('a banned call is found: %s', (line, instead) => {
  expect(breaches({ path: 'pkg/api/x.ts', text: `// first\n${line}` }).join()).toContain(
    `pkg/api/x.ts:2 use ${instead}`,
  );
});

test('controllers do what they do over and over in a loop of the contract', () => {
  const text = 'await repeat(clock, options, look);';
  expect(breaches({ path: 'pkg/controllers/x/x.ts', text }).join()).toContain('x.ts:1 use createPeriodicLoop');
  expect(breaches({ path: 'pkg/cluster/x.ts', text })).toEqual([]);
});

test.each([
  'clock.setTimeout(run, 5)',
  'const then = new Date(0);',
  'process.nextTick(run)',
  '// Date.now() in a comment',
  "const text = 'Math.random()';",
])('what only looks like one is not: %s', (line) => {
  expect(breaches({ path: 'pkg/api/x.ts', text: line })).toEqual([]);
});

test('no test is left alone or skipped without a word', () => {
  const found = sourceFiles()
    .filter((file) => file.isTest && !file.path.startsWith('tests/tidy/'))
    .filter((file) => /\b(?:test|it|describe)\.(?:only|todo)\(|\b(?:test|it|describe)\.skip\(/.test(codeOf(file.text)))
    .map((file) => file.path);
  expect(found).toEqual([]);
});
