import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type TestContainer, testContainer } from './testing.ts';

let container: TestContainer;
beforeAll(() => {
  container = testContainer();
});
afterAll(() => container.remove());

/** What the machine's own shell makes of a script, in a folder of its own. */
function ofMachine(script: string): { readonly exitCode: number; readonly stdout: string } {
  const { status, stdout } = spawnSync('sh', ['-c', script, 'sh', 'one', 'two three'], {
    cwd: container.root,
    env: { PATH: process.env.PATH, HOME: '/root', WHO: 'world' },
    encoding: 'utf8',
  });
  return { exitCode: status ?? -1, stdout };
}

// biome-ignore-start lint/suspicious/noTemplateCurlyInString: these are scripts of the shell.
test.each([
  'echo hello $WHO "$WHO" \'$WHO\' \\$WHO "a  b"  c',
  'echo ${WHO} ${NONE:-default} ${WHO:+set} ${#WHO} ${WHO#w} ${WHO%ld} "${NONE-x y}"',
  'f=a/b/c.tar.gz; echo ${f##*/} ${f%.*} ${f%%.*} ${f#*/}',
  'x=5; y=$((x * 2 + 1)); echo $y $((y % 3 == 2)) $((1 << 4 | 3)) $((x > 3 ? 7 : 9)) $((-7 / 2))',
  'echo one; false || echo two && echo three; true && false; echo $?',
  'exit 3',
  '(exit 4); echo $?; ! true; echo $?',
  'if [ "$WHO" = world ]; then echo yes; elif true; then echo no; else echo never; fi',
  'for i in 1 2 3; do [ $i = 2 ] && continue; echo $i; done; for i in "$@"; do echo "<$i>"; done',
  'i=0; while [ $i -lt 5 ]; do i=$((i+1)); if [ $i = 4 ]; then break; fi; echo $i; done; until [ $i -ge 6 ]; do i=$((i+1)); done; echo $i',
  'case $WHO in w*d) echo match;; *) echo none;; esac; case x in a|x) echo alt;; esac; case "" in "") echo empty;; esac',
  'f() { echo "in $1 $#"; return 5; }; f a b; echo $?',
  'echo a b c | tr a-z A-Z | cut -d" " -f2,3; printf "3\\n1\\n2\\n" | sort -r | head -n 2',
  'echo out > file; echo more >> file; cat < file; wc -l < file; rm file; cat file 2>/dev/null || echo gone',
  'echo to-err >&2; { echo one; echo two >&2; } 2>&1 | sort',
  'cat <<EOF\nhello $WHO\n  $((1+1))\nEOF\ncat <<"EOF"\n$WHO\nEOF\ncat <<-EOF\n\ttab\n\tEOF',
  'x=$(echo inner; echo two); echo "$x"; echo `echo back`; echo $(echo a; echo b)',
  'set -e; echo before; false; echo after',
  'set -e; false || true; if false; then :; fi; echo still',
  'set -u; echo ${MISSING-ok}; echo $MISSING; echo never',
  'mkdir d && cd d && touch b a c.txt && echo * *.txt [ab] none*; cd ..; rm -r d',
  'echo one > a; mkdir d; mv -fv a d > told; cat d/a; [ -s told ] && echo told; rm -r d told',
  'echo "quoted * star" \'?\'; x="*"; mkdir -p e; cd e; echo $x; echo "$x"; cd ..; rmdir e',
  'cat /dev/null; tail /dev/null; test -e /dev/null; echo $?; echo a | tee /dev/null; test -s /dev/null; echo $?',
  'read a b <<EOF\none two three\nEOF\necho "$a|$b"',
  'printf "%s-%d-%03d|%5s|%-5s|%x\\n" text 42 7 ab cd 255; printf "%s\\n" a b c',
  "export V=1; V=2 sh -c 'echo $V'; echo $V; W=3; sh -c 'echo \"[$W]\"'",
  'x=outer; (x=inner; echo $x); echo $x; { x=group; }; echo $x',
  'echo $# $1 "$2"; shift; echo $1; set -- x y; echo $# $*',
  'trap "echo bye" EXIT; echo hi; exit 2',
  'test -d /; echo $?; [ -n "" ]; echo $?; [ 3 -gt 2 -a a = a ]; echo $?; [ ! -f /none ]; echo $?',
  'seq 1 5 | grep -v 3 | tail -n 2; echo abc | grep -c b; echo abc | grep -q x; echo $?',
  'echo "a:b:c" | sed "s/:/-/g"; echo hello | sed -n "s/l/L/p"; printf "1\\n2\\n3\\n" | sed 2d',
  'yes | head -n 3; echo $?',
  'sleep 0.01 & wait; echo done',
  'echo "it\'s" \'a "quote"\' "back\\\\slash" "dollar\\$"; echo a\\\nb',
  'IFS=:; v=a:b:c; for p in $v; do echo $p; done',
  'eval "echo \\$WHO"; command -v cd; nosuch 2>/dev/null; echo $?',
  'a() { local x=1; echo $x; }; x=2; a; echo $x',
  'echo {a,b} ~ ~/x "~"; :; # a comment\necho end',
  'while read line; do echo "<$line>"; done <<EOF\na b\n c\nEOF',
  'echo a && { echo b; false; } || echo c; n=1; [ $n -eq 1 ] && echo eq',
  // biome-ignore-end lint/suspicious/noTemplateCurlyInString: these were.
])('%j does what the machine’s own shell does', async (script) => {
  const expected = ofMachine(script);
  const { exitCode, stdout } = await container.run(['sh', '-c', script, 'sh', 'one', 'two three']);
  expect({ exitCode, stdout }).toEqual(expected);
});

test('printf writes bytes that are no characters as they are, and those of one as that', async () => {
  expect(await container.bytes(['printf', '\\336\\x41é\\303\\251%b', '\\0377'])).toEqual(
    Buffer.from([0xde, 0x41, 0xc3, 0xa9, 0xc3, 0xa9, 0xff]),
  );
  expect(await container.bytes(['echo', '-ne', '\\0336😀'])).toEqual(Buffer.from([0xde, ...Buffer.from('😀')]));
});

test.each([
  ['echo "a', 'sh: unterminated quoted string\n'],
  ['if true; then echo', 'sh: syntax error: unexpected end of file (expecting "fi")\n'],
  ['echo a | | b', 'sh: syntax error: unexpected "|"\n'],
  ['done', 'sh: syntax error: unexpected "done"\n'],
  ['echo >', 'sh: a word is expected after ">"\n'],
])('%j is refused', async (script, message) => {
  expect(await container.run(['sh', '-c', script])).toEqual({ exitCode: 2, stdout: '', stderr: message });
});

test('a condition may stand in two brackets, as busybox has it', async () => {
  const script =
    '[[ -r / ]] && echo there; if [[ -r /none ]]; then echo none; fi; [[ a = a -a -n "" ]]; echo $?; [[ a ]';
  expect(await container.run(['sh', '-c', script])).toEqual({
    exitCode: 2,
    stdout: 'there\n1\n',
    stderr: expect.stringContaining('missing ]]'),
  });
});

test('bytes are shown in numbers, with a star for lines that repeat', async () => {
  const bytes = "{ printf 'abcdefghijklmnopabcdefghijklmnop'; echo 3so= | base64 -d; }";
  const canonical = await container.run(['sh', '-c', `${bytes} | hexdump -C`]);
  expect(canonical.stdout).toBe(
    '00000000  61 62 63 64 65 66 67 68  69 6a 6b 6c 6d 6e 6f 70  |abcdefghijklmnop|\n*\n' +
      '00000020  de ca                                             |..|\n00000022\n',
  );
  const pairs = await container.run(['sh', '-c', `${bytes} | hexdump`]);
  expect(pairs.stdout).toBe(
    `0000000 6261 6463 6665 6867 6a69 6c6b 6e6d 706f\n*\n0000020 cade${' '.repeat(35)}\n0000022\n`,
  );
});

test('what is not there is told as such', async () => {
  expect(await container.run(['sh', '-c', 'nonesuch; echo $?'])).toEqual({
    exitCode: 0,
    stdout: '127\n',
    stderr: 'sh: nonesuch: not found\n',
  });
});

test.each(['while true; do :; done', 'sleep 1000', 'yes > /dev/null', 'f() { f; }; sleep 1000 | cat'])(
  '%j ends when it is told to',
  async (script) => {
    const stop = new AbortController();
    const running = container.run(['sh', '-c', script], { signal: stop.signal });
    setImmediate(() => stop.abort());
    expect((await running).exitCode).toBe(143);
  },
);

test('a script that never waits lets others have their turn', async () => {
  const stop = new AbortController();
  const running = container.run(['sh', '-c', 'while true; do :; done'], { signal: stop.signal });
  await new Promise((resolve) => setImmediate(resolve));
  stop.abort();
  expect((await running).exitCode).toBe(143);
});

test('recursion without an end is one', async () => {
  const { exitCode, stderr } = await container.run(['sh', '-c', 'f() { f; }; f']);
  expect([exitCode, stderr]).toEqual([2, expect.stringContaining('functions are too deep')]);
});

test('a script comes from standard input too', async () => {
  const stdin = 'x=1\nif true\nthen echo $x\nfi\nexit 7\necho never\n';
  expect(await container.run(['sh'], { stdin })).toEqual({ exitCode: 7, stdout: '1\n', stderr: '' });
});
