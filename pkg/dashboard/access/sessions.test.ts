import { expect, test } from 'vitest';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { cookieOf, setCookie } from './cookie.ts';
import { Sessions, sessionEnds } from './sessions.ts';
import { SignInCode } from './sign-in-code.ts';

const minuteMs = 60_000;

function setUp(limits: { readonly idleMs?: number; readonly lastsMs?: number } = {}) {
  const clock = new VirtualClock();
  const ended: string[] = [];
  const sessions = new Sessions<string>({ clock, onEnd: (holder) => ended.push(holder), ...limits });
  return { clock, ended, sessions };
}

test('a session is found by its name, and by no other', () => {
  const { sessions } = setUp();
  const name = sessions.begin('ann');
  expect(sessions.find(name)?.holder).toBe('ann');
  expect([sessions.find(`${name}x`), sessions.find(''), sessions.find(undefined)]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
  expect(Buffer.from(name, 'base64url')).toHaveLength(32);
});

test('who does not use it loses it, and is told why', async () => {
  const { clock, ended, sessions } = setUp({ idleMs: 10 * minuteMs });
  const name = sessions.begin('ann');
  const session = sessions.find(name);
  await clock.advance(9 * minuteMs);
  expect(sessions.find(name)).toBe(session);
  await clock.advance(9 * minuteMs);
  expect(session?.signal.aborted).toBe(false);
  await clock.advance(minuteMs);
  expect([session?.signal.reason, sessions.find(name), ended]).toEqual([sessionEnds.idle, undefined, ['ann']]);
});

test('who uses it all the time has it until its end', async () => {
  const { clock, sessions } = setUp({ idleMs: 10 * minuteMs, lastsMs: 30 * minuteMs });
  const name = sessions.begin('ann');
  const session = sessions.find(name);
  for (let i = 0; i < 5; i++) {
    await clock.advance(5 * minuteMs);
    sessions.find(name);
  }
  expect(session?.signal.aborted).toBe(false);
  await clock.advance(5 * minuteMs);
  expect([session?.signal.reason, sessions.find(name)]).toEqual([sessionEnds.old, undefined]);
});

test('credentials that are taken no more end all sessions that have them', () => {
  const { ended, sessions } = setUp();
  const names = [sessions.begin('ann'), sessions.begin('ann'), sessions.begin('bob')];
  sessions.endAll('ann', sessionEnds.refused);
  expect([names.map((name) => sessions.find(name)?.holder), ended]).toEqual([
    [undefined, undefined, 'bob'],
    ['ann', 'ann'],
  ]);
});

test('of too many sessions the one that was used longest ago goes', async () => {
  const { clock, ended, sessions } = setUp();
  const names: string[] = [];
  for (let i = 0; i < 64; i++) {
    names.push(sessions.begin(`user ${i}`));
    await clock.advance(1);
  }
  sessions.find(names[0]);
  sessions.begin('one more');
  expect([sessions.size, ended]).toEqual([64, ['user 1']]);
});

test('the code of the terminal counts once, and not after five wrong ones', () => {
  const shown: string[] = [];
  let next = 0;
  const code = new SignInCode(
    (text) => shown.push(text),
    (bytes) => new Uint8Array(bytes).fill(next++),
  );
  expect(shown).toEqual(['AAAAA-AAAAA']);
  expect([code.take('wrong'), code.take('aaaaa aaaaa'), code.take('AAAAA-AAAAA')]).toEqual([false, true, false]);
  for (let i = 0; i < 4; i++) code.take('BBBBB-BBBBC');
  expect(shown).toEqual(['AAAAA-AAAAA', 'BBBBB-BBBBB', 'CCCCC-CCCCC']);
  expect(code.take('BBBBB-BBBBB')).toBe(false);
});

test('the cookie is out of reach of scripts and of other pages', () => {
  expect(setCookie(8001, 'abc')).toBe('coxswain-session-8001=abc; Path=/; HttpOnly; SameSite=Strict');
  expect(setCookie(8001, undefined)).toBe('coxswain-session-8001=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0');
  expect(cookieOf(8001, 'a=b; coxswain-session-8002=no; coxswain-session-8001=abc')).toBe('abc');
  expect(cookieOf(8001, 'xcoxswain-session-8001=abc')).toBeUndefined();
});
